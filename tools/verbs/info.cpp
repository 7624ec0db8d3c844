// info.cpp: espalier info: the network of a config, a run or a checkpoint, step by step.
#include <fmt/format.h>

#include "framework/config/reader.h"
#include "framework/deploy/network_file.h"
#include "framework/interchange/read_tensors.h"
#include "framework/io/file_kind.h"
#include "framework/train/checkpoint.h"
#include "tools/run/network_table.h"
#include "tools/run/session.h"
#include "tools/verbs/commands.h"

namespace espalier {
namespace {

/// The config a checkpoint was saved with, which it carries.
RunConfig config_of(const WeightsFile& file, const std::filesystem::path& checkpoint) {
  const auto text = file.metadata.find("resolved_config");
  if (text == file.metadata.end())
    fail(
        ExitCode::checkpoint,
        "{}: does not say which network it is of (no \"resolved_config\" in its metadata, as files of other programs); "
        "give a config with \"checkpoint\": \"{}\"",
        checkpoint.string(), checkpoint.string());
  RunConfig config;
  read_config(JsonDocument::parse(text->second, checkpoint.string()), config);
  return config;
}

bool holds_weights(FileKind kind) {
  return kind == FileKind::safetensors || kind == FileKind::zstd || kind == FileKind::torch_zip ||
         kind == FileKind::torch_legacy || kind == FileKind::npz;
}

void print(const std::string& what, const Model& model, const std::string& weights) {
  fmt::print("{}, {} classes, {}\n\n{}", what, model.classes(), weights, network_table(model));
}

}  // namespace

void info_command(const CommandOptions& options) {
  namespace fs = std::filesystem;
  std::error_code unknown;
  const fs::path given = options.config;
  RunConfig config;
  Start start{.checkpoint = {.path = options.checkpoint, .map = options.map}};
  std::string& checkpoint = start.checkpoint.path;
  if (fs::is_directory(given, unknown)) {
    CommandOptions of_run = options;
    of_run.config = (given / "config.json").string();
    config = read_run_config(of_run);
    if (const fs::path own = given / "checkpoint.safetensors"; checkpoint.empty() && fs::exists(own, unknown))
      checkpoint = own.string();
  } else if (holds_weights(kind_of_file(given))) {
    checkpoint = given.string();
    const WeightsFile file = read_weights(given);
    if (file.metadata.contains(model_key)) {  // a compact file, which needs no config
      NetworkFile network = network_of(file, given);
      Model model(std::move(network.graph), static_cast<int>(network.task.classes.size()), 0);
      load_weights(file, given, model);
      return print("graph", model, checkpoint);
    }
    config = config_of(file, given);
  } else {
    config = read_run_config(options);
  }
  if (checkpoint.empty()) start = beginning_of(config);
  const Workbench bench = prepare(config, start);
  for (const std::string& notice : bench.notices) fmt::print(stderr, "note: {}\n", notice);
  print(config.model.type, *bench.model,
        !checkpoint.empty()           ? checkpoint
        : config.model.type == "onnx" ? "weights of its file"
                                      : "fresh weights");
}

}  // namespace espalier
