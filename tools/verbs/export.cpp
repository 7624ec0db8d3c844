#include "tools/verbs/export.h"

#include "framework/core/check.h"
#include "framework/interchange/onnx/export.h"
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
  return prepare(config, {.checkpoint = checkpoint});
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

}  // namespace espalier
