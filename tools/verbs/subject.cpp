#include "tools/verbs/subject.h"

#include "framework/config/reader.h"
#include "framework/core/check.h"
#include "framework/graph/head.h"
#include "framework/interchange/name_map.h"
#include "framework/interchange/read_tensors.h"
#include "tools/run/session.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;

RunConfig config_of(JsonDocument document, const std::vector<std::string>& overrides) {
  for (const std::string& assignment : overrides) document.apply_override(assignment);
  RunConfig config;
  read_config(document, config);
  return config;
}

}  // namespace

Subject find_subject(const std::string& input, const std::string& config,
                     const std::vector<std::string>& overrides, const std::string& checkpoint) {
  Subject s;
  std::string map;
  std::error_code unknown;
  if (fs::is_directory(input, unknown)) {
    s.folder = input;
    s.checkpoint = s.folder / "checkpoint.safetensors";
    s.config = config_of(JsonDocument::load(s.folder / "config.json"), overrides);
  } else if (input.ends_with(".json")) {
    s.config = config_of(JsonDocument::load(input), overrides);
    s.folder = run_directory(*s.config);
    s.checkpoint = s.folder / "checkpoint.safetensors";
    if (checkpoint.empty() && !fs::exists(s.checkpoint, unknown)) {
      if (s.config->checkpoint.empty())
        fail(ExitCode::usage,
             "{}: its run has no checkpoint yet ({} does not exist), and it names none; train it first",
             input, s.checkpoint.string());
      s.checkpoint = s.config->checkpoint.path;
      map = s.config->checkpoint.map;
      s.folder = s.checkpoint.parent_path();
    }
  } else {
    s.checkpoint = input;
    s.folder = s.checkpoint.parent_path();
  }
  if (!checkpoint.empty()) s.checkpoint = checkpoint;
  s.file = read_weights(s.checkpoint);
  if (!map.empty()) NameMap::read(map).apply(s.file, s.checkpoint);
  if (!config.empty()) s.config = config_of(JsonDocument::load(config), overrides);
  const auto own = s.file.metadata.find("resolved_config");
  if (!s.config && own != s.file.metadata.end())
    s.config =
        config_of(JsonDocument::parse(own->second, s.checkpoint.string() + " (resolved_config)"), overrides);
  return s;
}

NetworkFile network_of(const Subject& s, const LoadedData* data) {
  const auto& metadata = s.file.metadata;
  if (metadata.contains(model_key)) return network_of(s.file, s.checkpoint);
  if (!s.config)
    fail(ExitCode::usage, "{}: does not say of which network it is; give the config: --config CONFIG",
         s.checkpoint.string());
  NetworkFile network;
  if (const auto task = metadata.find(task_key); task != metadata.end())
    network.task = task_from_json(task->second, s.checkpoint.string() + " (task)");
  else if (data)
    network.task = task_of(*data);
  else
    fail(ExitCode::data,
         "{}: does not say what its pictures and classes are, and the data of its config can't be opened; "
         "give their place: --set data.source.path=FOLDER",
         s.checkpoint.string());
  const ImageTask& t = network.task;
  const auto classes = static_cast<int>(t.classes.size());
  network.graph = s.config->model->graph({t.height, t.width, t.picture[2]}, classes);
  if (s.config->new_head) network.graph = with_new_head(network.graph, classes);
  require_finite(s.file, s.checkpoint);
  std::tie(network.weights, network.masks) = tensors_of(network.graph, s.file, s.checkpoint);
  return network;
}

}  // namespace espalier
