#include "tools/verbs/export.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "framework/config/writer.h"
#include "framework/core/check.h"
#include "framework/graph/thin/thin.h"
#include "framework/interchange/name_map.h"
#include "framework/interchange/onnx/export.h"
#include "framework/interchange/onnx/import.h"
#include "framework/io/disk_order.h"
#include "framework/io/npz.h"
#include "tools/run/session.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;

/// The config of a run: of its folder, or of a config whose run's checkpoint is there.
RunConfig config_of(const std::string& run) {
  std::error_code unknown;
  const bool folder = fs::is_directory(run, unknown);
  CommandOptions options;
  options.config = folder ? (fs::path(run) / "config.json").string() : run;
  if (folder) options.output = run;
  return read_run_config(options);
}

Workbench open_run(RunConfig& config, const std::string& run, const std::string& checkpoint) {
  CommandOptions options;
  options.checkpoint = checkpoint;
  const Start start = start_to_read(options, config);
  if (start.checkpoint.empty() && config.model.type != "onnx")
    fail(ExitCode::usage, "{}: has no checkpoint ({} does not exist); train it, or give --checkpoint FILE",
         run, (run_directory(config) / "checkpoint.safetensors").string());
  return prepare(config, start);
}

std::string percent(Index part, Index all) {
  return fmt::format("{:.2f} %",
                     all == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(all));
}

/// What is exported.
struct Exported {
  Graph graph;
  Weights weights;
  Index values = 0, zeros = 0;  ///< of weights; biases and norms are none
};

Exported network_to_export(const Model& model, bool thin) {
  Exported e{model.graph(), weights_of(model.store())};
  if (thin) {
    Thinned thinned = remove_dead_channels(e.graph, e.weights);
    for (const std::string& note : thinned.notes) fmt::print(stderr, "note: {}\n", note);
    e.graph = std::move(thinned.graph);
    e.weights = std::move(thinned.weights);
  }
  for (const ParameterSpec& p : e.graph.parameters) {
    if (p.role != Role::weight) continue;
    const auto values = e.weights.at(p.name).values();
    e.values += static_cast<Index>(values.size());
    e.zeros += std::count(values.begin(), values.end(), Real(0));
  }
  return e;
}

/// What the ONNX file that a run began with ends in.
std::string ending_of(RunConfig& config, const Shape& image) {
  if (config.model.type != "onnx") return "";
  const auto model =
      nlohmann::json::parse(write_fields([&](Fields& f) { f.variant("model", config.model, ""); }))["model"];
  return onnx::import_model(onnx::read_model(model["path"].get<std::string>()),
                            {.output = model["output"].get<std::string>(), .image = image})
      .ending;
}

void export_onnx(const ExportCommandOptions& o, RunConfig& config, const Workbench& bench,
                 const Exported& e) {
  using Form = onnx::PixelNormalization::Form;
  onnx::ExportOptions options{.keep_batch_norm = o.keep_batch_norm, .sparse = o.sparse};
  options.ending = ending_of(config, bench.model->image());
  const Normalization& normal = bench.data.preprocessing.normalization;
  const Form form = o.preprocessing == "float" ? Form::floats : Form::bytes;
  if (!o.preprocessing.empty()) options.pixels = onnx::PixelNormalization{normal.mean, normal.std, form};
  options.metadata["sparsity of weights"] = percent(e.zeros, e.values);
  options.metadata["input"] =
      o.preprocessing.empty()
          ? fmt::format("(byte / 255 - mean) / std, [n, channels, height, width], mean [{}], std [{}]",
                        fmt::join(normal.mean, ", "), fmt::join(normal.std, ", "))
      : form == Form::bytes ? "pixels as bytes, [n, height, width, channels]"
                            : "pixels from 0 to 1, [n, channels, height, width]";
  std::string classes;
  for (const std::string& name : bench.data.source.class_names)
    classes += (classes.empty() ? "" : "\n") + name;
  options.metadata["classes"] = classes;
  onnx::write_model(o.output, e.graph, e.weights, options);
  fmt::print(
      "{}: ONNX model of opset {} (IR {}), input {}, {} of weights zero, {} bytes{}\n", o.output,
      onnx::export_opset, onnx::export_ir, options.metadata["input"], percent(e.zeros, e.values),
      fs::file_size(o.output),
      options.ending.empty() ? "" : fmt::format("; ends in {} as the file it came from", options.ending));
}

/// Tensors under PyTorch's names and in its order, and how they get into the torch model.
void export_tensors(const ExportCommandOptions& o, const Exported& e, bool npz) {
  WeightsFile file;
  const auto add = [&](const std::string& name, const Shape& shape) {
    NamedWeights t{name, disk_shape(shape), std::vector<float>(shape.size()), {}};
    const Tensor& values = e.weights.at(name);
    for_each_value(
        shape, [&](Index memory, Index disk) { t.values[disk] = static_cast<float>(values.data()[memory]); });
    file.tensors.push_back(std::move(t));
  };
  for (const ParameterSpec& p : e.graph.parameters) add(p.name, p.shape);
  for (const StatisticSpec& s : e.graph.statistics) add(s.name, {s.size});
  if (!o.map.empty()) NameMap::read(o.map).inverse().apply(file, "the network");
  if (npz) {
    std::vector<NpyArray> arrays;
    for (NamedWeights& t : file.tensors)
      arrays.push_back({t.name, {t.shape.begin(), t.shape.end()}, std::move(t.values)});
    write_npz(o.output, arrays);
  } else {
    TensorFile out;
    out.metadata["format"] = "pt";
    for (const NamedWeights& t : file.tensors) out.add(t.name, t.shape, std::span<const float>(t.values));
    write_safetensors(o.output, out);
  }
  fmt::print("{}: {} tensors, {} of weights zero, {} bytes. Into the torch model it was exported from:\n\n",
             o.output, file.tensors.size(), percent(e.zeros, e.values), fs::file_size(o.output));
  if (npz)
    fmt::print(
        "    import numpy, torch\n"
        "    state = {{name: torch.from_numpy(values) for name, values in numpy.load(\"{0}\").items()}}\n"
        "    model.load_state_dict(state)\n",
        o.output);
  else
    fmt::print(
        "    from safetensors.torch import load_file\n"
        "    state = load_file(\"{0}\")\n"
        "    model.load_state_dict(state)\n",
        o.output);
  if (o.thin) fmt::print("\nThe model must have the same channels left.\n");
}

}  // namespace

void export_command(const ExportCommandOptions& o) {
  const std::string format = fs::path(o.output).extension().string();
  if (format != ".onnx" && format != ".npz" && format != ".safetensors")
    fail(ExitCode::usage, "--output {}: its end tells the format; it must be .onnx, .npz or .safetensors",
         o.output);
  if (format != ".onnx" && (o.keep_batch_norm || o.sparse || !o.preprocessing.empty()))
    fail(ExitCode::usage,
         "--output {}: --keep-bn, --sparse and --with-preprocessing are of .onnx; tensors go out as they are",
         o.output);
  if (format == ".onnx" && !o.map.empty())
    fail(ExitCode::usage,
         "--map {}: is of .npz and .safetensors; in .onnx the tensors keep the network's names", o.map);
  RunConfig config = config_of(o.run);
  const Workbench bench = open_run(config, o.run, o.checkpoint);
  const Exported e = network_to_export(*bench.model, o.thin);
  if (format == ".onnx")
    export_onnx(o, config, bench, e);
  else
    export_tensors(o, e, format == ".npz");
}

}  // namespace espalier
