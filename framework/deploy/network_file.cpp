#include "framework/io/json_text.h"
#include "framework/deploy/network_file.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "framework/core/check.h"
#include "framework/graph/json.h"
#include "framework/io/disk_order.h"

namespace espalier {
namespace {

using Json = nlohmann::ordered_json;

/// A value of the metadata, or an error that says what the file is instead.
const std::string& described(const WeightsFile& file, const std::filesystem::path& path, const char* key) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end())
    fail(ExitCode::checkpoint,
         "{}: does not describe its network (no '{}' in its metadata); make a file that does: espalier "
         "compress {}",
         path.string(), key, path.string());
  return found->second;
}

/// What the config's reader says of a text inside a file is about that file.
template <class Read>
auto of_file(const std::filesystem::path& path, Read read) {
  try {
    return read();
  } catch (const Error& e) {
    fail(ExitCode::checkpoint, "{}: its description of the network is wrong: {}", path.string(), e.what());
  }
}

Graph graph_of(const std::string& model, const std::filesystem::path& path) {
  return of_file(path, [&] {
    Json json = json_problem(model) ? Json() : Json::parse(model);
    if (!json.is_object() || json.value("type", "") != "graph")
      fail(ExitCode::config, "model is no object of type \"graph\"");
    json.erase("type");
    return from_json(json.dump(), fmt::format("{} (model)", path.string()));
  });
}

/// A parameter or a statistic.
struct Wanted {
  std::string name;
  Shape shape;
};

std::vector<Wanted> wanted_by(const Graph& graph) {
  std::vector<Wanted> all;
  for (const ParameterSpec& p : graph.parameters) all.push_back({p.name, p.shape});
  for (const StatisticSpec& s : graph.statistics) all.push_back({s.name, {s.size}});
  return all;
}

}  // namespace

std::pair<Weights, Weights> tensors_of(const Graph& graph, const WeightsFile& file,
                                       const std::filesystem::path& path) {
  Weights weights, masks;
  std::string wrong;
  for (const Wanted& want : wanted_by(graph)) {
    const NamedWeights* t = file.find(want.name);
    if (!t)
      wrong += fmt::format("\n    {} {{{}}} is missing", want.name, fmt::join(disk_shape(want.shape), ","));
    if (t && t->shape != disk_shape(want.shape))
      wrong += fmt::format("\n    {} is {{{}}} and not {{{}}}", want.name, fmt::join(t->shape, ","),
                           fmt::join(disk_shape(want.shape), ","));
    if (!wrong.empty()) continue;
    Tensor& values = weights.tensors[want.name] = Tensor::uninitialized(want.shape);
    for_each_value(want.shape, [&](Index memory, Index disk) { values.data()[memory] = t->values[disk]; });
    if (t->kept.empty()) continue;
    Tensor& mask = masks.tensors[want.name] = Tensor::uninitialized(want.shape);
    for_each_value(want.shape, [&](Index memory, Index disk) { mask.data()[memory] = t->kept[disk]; });
  }
  if (!wrong.empty())
    fail(ExitCode::checkpoint, "{}: its tensors (shapes on disk, OIHW) are not those of its network:{}",
         path.string(), wrong);
  return {std::move(weights), std::move(masks)};
}

NetworkFile network_of(const WeightsFile& file, const std::filesystem::path& path) {
  require_finite(file, path);
  NetworkFile network;
  network.graph = graph_of(described(file, path, model_key), path);
  std::tie(network.weights, network.masks) = tensors_of(network.graph, file, path);
  const std::string& task = described(file, path, task_key);
  network.task = of_file(path, [&] { return task_from_json(task, fmt::format("{} (task)", path.string())); });
  const Shape input = network.graph.shape(network.graph.input),
              output = network.graph.shape(network.graph.outputs[0]);
  const ImageTask& t = network.task;
  if (input != Shape{t.height, t.width, t.picture[2]} ||
      output != Shape{static_cast<Index>(t.classes.size())})
    fail(ExitCode::checkpoint, "{}: its network takes {} and gives {}; its task has {}x{}x{} and {} classes",
         path.string(), input, output, t.height, t.width, t.picture[2], t.classes.size());
  return network;
}

NetworkFile read_network_file(const std::filesystem::path& path) {
  return network_of(read_weights_file(path), path);
}

WeightsFile weights_file_of(const NetworkFile& network) {
  WeightsFile file;
  Json model = {{"type", "graph"}};
  model.update(Json::parse(to_json(network.graph)));
  file.metadata = {{model_key, model.dump()}, {task_key, to_json(network.task)}};
  for (const Wanted& want : wanted_by(network.graph)) {
    const Tensor& values = network.weights.at(want.name);
    NamedWeights t{want.name, disk_shape(want.shape), std::vector<float>(want.shape.size()), {}};
    for_each_value(want.shape, [&](Index memory, Index disk) {
      t.values[disk] = static_cast<float>(values.data()[memory]);
    });
    if (network.masks.has(want.name)) {
      const Tensor& mask = network.masks.at(want.name);
      t.kept.resize(t.values.size());
      for_each_value(want.shape, [&](Index memory, Index disk) { t.kept[disk] = mask.data()[memory] != 0; });
    }
    file.tensors.push_back(std::move(t));
  }
  return file;
}

}  // namespace espalier
