#include "tools/verbs/export.h"

#include "framework/core/check.h"
#include "framework/core/memory.h"
#include "framework/core/parallel.h"
#include "framework/infer/engine.h"
#include "framework/interchange/onnx/export.h"
#include "framework/interchange/onnx/import.h"
#include "framework/io/file_kind.h"
#include "framework/io/npz.h"
#include "tools/run/session.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;

/// Data and network of a run: of its folder, or of a config whose run's checkpoint is there.
Workbench open_run(const std::string& run, std::string checkpoint) {
  std::error_code unknown;
  const bool folder = fs::is_directory(run, unknown);
  CommandOptions options;
  options.config = folder ? (fs::path(run) / "config.json").string() : run;
  if (folder) options.output = run;
  RunConfig config = read_run_config(options);
  const fs::path of_run = run_directory(config) / "checkpoint.safetensors";
  if (checkpoint.empty()) checkpoint = fs::exists(of_run, unknown) ? of_run.string() : config.checkpoint;
  if (checkpoint.empty() && config.model.type != "onnx")
    fail(ExitCode::usage, "{}: has no checkpoint ({} does not exist); train it, or give --checkpoint FILE",
         run, of_run.string());
  return prepare(config, checkpoint);
}

std::string percent(Index part, Index all) {
  return fmt::format("{:.2f} %",
                     all == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(all));
}

}  // namespace

void export_command(const ExportCommandOptions& o) {
  const Workbench bench = open_run(o.run, o.checkpoint);
  const ParameterStore& store = bench.model->store();
  Index weights = 0, zeros = 0;
  for (const ParameterInfo& p : store.infos()) {
    if (p.role != Role::weight) continue;
    weights += p.range.size();
    for (Index i = p.range.begin; i < p.range.end; ++i) zeros += store.values()[i] == 0;
  }
  onnx::ExportOptions options{.keep_batch_norm = o.keep_batch_norm, .sparse = o.sparse};
  const Normalization& normal = bench.data.preprocessing.normalization;
  if (o.preprocessing) options.pixels = onnx::PixelNormalization{normal.mean, normal.std};
  options.metadata["sparsity of weights"] = percent(zeros, weights);
  options.metadata["input"] =
      o.preprocessing
          ? "pixels as bytes, [n, height, width, channels]"
          : fmt::format("(byte / 255 - mean) / std, [n, channels, height, width], mean [{}], std [{}]",
                        fmt::join(normal.mean, ", "), fmt::join(normal.std, ", "));
  std::string classes;
  for (const std::string& name : bench.data.source.class_names)
    classes += (classes.empty() ? "" : "\n") + name;
  options.metadata["classes"] = classes;
  onnx::write_model(o.output, bench.model->graph(), weights_of(store), options);
  fmt::print("{}: ONNX model of opset {}, {} of weights zero, {} bytes\n", o.output, onnx::export_opset,
             percent(zeros, weights), fs::file_size(o.output));
}

void predict_array_command(const PredictArrayOptions& o) {
  set_threads(o.threads);
  const StoredTensor input = read_npy(o.input);
  const std::vector<float> values = to_floats(input);
  const auto& s = input.shape;
  if (s.size() != 2 && s.size() != 4)
    fail(ExitCode::data, "{}: has the shape ({}); it must be [n, channels, height, width] or [n, features]",
         o.input, fmt::join(s, ", "));
  const Shape image = s.size() == 4 ? Shape{s[2], s[3], s[1]} : Shape();
  Graph graph;
  Weights weights;
  if (kind_of_file(o.network) == FileKind::onnx) {
    onnx::Imported net =
        onnx::import_model(onnx::read_model(o.network), {.output = o.onnx_output, .image = image});
    for (const std::string& notice : net.notices) fmt::print(stderr, "note: {}: {}\n", o.network, notice);
    graph = std::move(net.graph);
    weights = std::move(net.weights);
  } else {
    const Workbench bench = open_run(o.network, o.checkpoint);
    graph = bench.model->graph();
    for (const auto& [name, tensor] : weights_of(bench.model->store()).tensors)
      weights.tensors[name] = tensor.clone();  // the store goes with the workbench
  }
  const Shape& own = graph.shape(graph.input);
  const Index pixels = own.rank() == 3 ? own[0] * own[1] : 1, channels = own[-1];
  const bool fits = own.rank() == 3 ? image == own : s.size() == 2 && s[1] == own[0];
  if (!fits)
    fail(ExitCode::data, "{}: has the shape ({}), one example of which the network does not take: {}",
         o.input, fmt::join(s, ", "), own);
  Tensor x =
      Tensor::uninitialized(own.rank() == 3 ? Shape{s[0], own[0], own[1], own[2]} : Shape{s[0], own[0]});
  for (Index n = 0; n < s[0]; ++n)
    for (Index c = 0; c < channels; ++c)
      for (Index p = 0; p < pixels; ++p)
        x.data()[(n * pixels + p) * channels + c] = values[(n * channels + c) * pixels + p];
  const Tensor y = Engine(graph, weights)(x);
  NpyArray out{"logits", {}, std::vector<float>(y.values().size())};
  const Shape& ys = y.shape();
  const Index out_pixels = ys.rank() == 4 ? ys[1] * ys[2] : 1, out_channels = ys[-1];
  out.shape =
      ys.rank() == 4 ? std::vector<Index>{ys[0], ys[3], ys[1], ys[2]} : std::vector<Index>{ys[0], ys[1]};
  for (Index n = 0; n < ys[0]; ++n)
    for (Index p = 0; p < out_pixels; ++p)
      for (Index c = 0; c < out_channels; ++c)
        out.values[(n * out_channels + c) * out_pixels + p] =
            y.data()[(n * out_pixels + p) * out_channels + c];
  write_npy(o.output, out);
  fmt::print("{}: {} examples through {} steps: [{}]\n", o.output, s[0], graph.steps.size(),
             fmt::join(out.shape, ", "));
}

}  // namespace espalier
