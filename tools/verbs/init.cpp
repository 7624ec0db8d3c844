#include "tools/verbs/init.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "framework/config/reader.h"
#include "framework/config/suggest.h"
#include "framework/core/check.h"
#include "framework/io/atomic_file.h"
#include "framework/io/json_text.h"
#include "framework/io/safetensors.h"
#include "tools/run/run_config.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// What is known of a data set before it is opened.
struct FoundData {
  std::string source;       ///< its JSON
  std::string kind, about;  ///< for the comment
  std::string model;        ///< that suits it
  std::string more;         ///< further lines of the "data" section
  int epochs = 10;
};

bool lies_in(const fs::path& folder, const std::string& name) {
  std::error_code unknown;
  return fs::exists(folder / name, unknown) || fs::exists(folder / (name + ".gz"), unknown);
}

std::string source_of(const std::string& type, const std::string& path) {
  return Json{{"type", type}, {"path", path}}.dump();
}

/// A folder, by the files in it.
FoundData data_in(const std::string& path) {
  const fs::path folder = path;
  std::error_code unknown;
  if (lies_in(folder, "train-images-idx3-ubyte"))
    return {.source = source_of("mnist", path), .kind = "mnist", .about = "files of MNIST's format",
            .model = R"("mlpnet")", .more = "", .epochs = 10};
  if (lies_in(folder, "data_batch_1.bin"))
    return {.source = source_of("cifar10", path), .kind = "cifar10", .about = "CIFAR-10", .model = R"("cifarnet")",
            .more = R"(,
    "augment": {"crop_padding": 4, "horizontal_flip": true})",
            .epochs = 20};
  if (lies_in(folder, "train.bin"))
    return {.source = source_of("cifar100", path), .kind = "cifar100", .about = "CIFAR-100", .model = R"("resnet20")",
            .more = R"(,
    "augment": {"crop_padding": 4, "horizontal_flip": true})",
            .epochs = 40};
  if (fs::is_directory(folder / "train", unknown))
    return {.source = source_of("image_folder", path), .kind = "image_folder",
            .about = "pictures in train/CLASS and test/CLASS", .model = R"("resnet20")", .more = R"(,
    "augment": {"horizontal_flip": true})",
            .epochs = 20};
  fail(ExitCode::data,
       "{}: is no data set that espalier knows: there is neither train/CLASS/ with pictures, nor "
       "train-images-idx3-ubyte (MNIST), data_batch_1.bin (CIFAR-10) or train.bin (CIFAR-100), plain or .gz",
       path);
}

FoundData data_of(const std::string& given) {
  std::error_code unknown;
  if (given == "fashion_mnist")
    return {.source = R"({"type": "fashion_mnist"})", .kind = given,
            .about = "Fashion-MNIST, from Debian's package dataset-fashion-mnist", .model = R"("cifarnet")",
            .more = R"(,
    "pad_to": 32,                              // 28x28 images get a black border
    "augment": {"horizontal_flip": true})",
            .epochs = 8};
  if (given == "synthetic")
    return {.source = R"({"type": "synthetic", "classes": 5, "train": 2000, "test": 500, "height": 16, "width": 16})",
            .kind = given, .about = "made-up patterns with noise, for a first try in seconds",
            .model = R"({"type": "sequential", "layers": [
    {"type": "conv", "name": "conv", "out": 8, "kernel": 3}, "relu", "flatten", {"type": "linear", "name": "fc", "out": 5}]})",
            .more = "", .epochs = 5};
  if (fs::is_directory(given, unknown)) return data_in(given);
  std::vector<std::string> known{"fashion_mnist", "synthetic"};
  for (const auto& [name, entry] : Registry<DataSettings>::entries())
    if (name == given)
      fail(ExitCode::usage, "--data {}: where its files lie is not known; give their folder: --data FOLDER", given);
  fail(ExitCode::usage,
       "--data {}: is neither a folder nor \"fashion_mnist\" or \"synthetic\"{}; for other data sets give the folder "
       "that holds them",
       given, did_you_mean(given, known));
}

/// "model" and "checkpoint" of a network file.
struct FoundNetwork {
  std::string model, checkpoint;
};
FoundNetwork network_in(const std::string& path) {
  std::error_code unknown;
  if (!fs::is_regular_file(path, unknown))
    fail(ExitCode::usage, "--network {}: is no file; give an .onnx file or a checkpoint (.safetensors)", path);
  if (path.ends_with(".onnx")) return {Json{{"type", "onnx"}, {"path", path}}.dump(), ""};
  const TensorFile file = read_safetensors(path);
  const auto config = file.metadata.find("resolved_config");
  if (config == file.metadata.end())
    fail(ExitCode::checkpoint,
         "--network {}: does not say which network its weights are of (no run of espalier wrote it); give --model too, "
         "and set \"checkpoint\" in the config",
         path);
  const Json recorded = parse_json(config->second, path + ": resolved_config", ExitCode::checkpoint);
  if (!recorded.is_object() || !recorded.contains("model"))
    fail(ExitCode::checkpoint, "{}: resolved_config names no \"model\"; the file is damaged", path);
  return {recorded["model"].dump(), path};
}

bool on_terminal() { return ::isatty(STDIN_FILENO) && ::isatty(STDERR_FILENO); }

/// One line from the terminal; `otherwise` if it is empty or there is no more.
std::string ask(const std::string& question, const std::string& otherwise) {
  fmt::print(stderr, "{} [{}]: ", question, otherwise);
  std::string line;
  if (!std::getline(std::cin, line)) return otherwise;
  const auto begin = line.find_first_not_of(" \t"), end = line.find_last_not_of(" \t\r");
  return begin == std::string::npos ? otherwise : line.substr(begin, end - begin + 1);
}

std::string model_text(const std::string& name) {
  std::vector<std::string> known;
  for (const auto& [model, entry] : Registry<ModelSettings>::entries()) known.push_back(model);
  if (std::find(known.begin(), known.end(), name) == known.end())
    fail(ExitCode::usage, "--model {}: there is no such network{} (there are {})", name, did_you_mean(name, known),
         fmt::join(known, ", "));
  return Json(name).dump();
}

std::string prune_section(const InitOptions& o, int epochs, bool trained_already) {
  const std::string schedule =
      trained_already || epochs < 2
          ? fmt::format(R"({{"type": "one_shot", "final_sparsity": {}, "epoch": 0}})", o.sparsity)
          : fmt::format(R"({{"type": "cubic", "final_sparsity": {}, "start_epoch": {}, "end_epoch": {}}})", o.sparsity,
                        std::max(1, epochs / 8), std::max(1, epochs * 3 / 4));
  return fmt::format(R"(,
  "baseline": "equal_budget",                  // trains a dense twin as long, to say what sparsity costs; "none": not
  "prune": {{
    "criterion": "{}",                 // magnitude, diagonal_fisher, woodfisher, woodtaylor, greedy
    "inverse": {{"type": "block", "fisher_block_size": 1000}},
    "damp": 1e-4,                              // lambda of the Fisher; "auto": tried on held-out examples
    "num_grads": 400,                          // rows of the gradient matrix
    "schedule": {}
  }})",
                     trained_already ? "woodfisher" : "woodtaylor", schedule);
}

std::string config_text(const InitOptions& o, const FoundData& data, const FoundNetwork& network) {
  const bool given = !o.network.empty();
  const int epochs = o.epochs > 0 ? o.epochs : given ? std::max(2, data.epochs / 4) : data.epochs;
  const std::string model = !network.model.empty() ? network.model
                            : !o.model.empty()     ? model_text(o.model)
                                                   : data.model;
  return fmt::format(R"(// Written by `espalier init`. Comments are allowed; all settings: espalier settings. Anything unknown is an error with
// "did you mean". A config may build on another: "extends": "base.json".
{{
  "name": {},                            // the run's folder is runs/NAME
  "seed": 1,                                   // same config, seed and machine: same bits
  "data": {{
    // {}
    "source": {}{}
  }},
  "model": {},{}
  "train": {{
    "epochs": {},
    "batch_size": 128,
    "optimizer": {{"type": "sgd", "momentum": 0.9, "weight_decay": 0.0005}},
    "learning_rate": {{"type": "cosine", "rate": {}, "warmup_epochs": {}}}
  }}{}
}}
)",
                     Json(fs::path(o.file).stem().string()).dump(), data.about, data.source, data.more, model,
                     network.checkpoint.empty()
                         ? ""
                         : fmt::format("\n  \"checkpoint\": {},", Json(network.checkpoint).dump()),
                     epochs, given ? 0.005 : 0.05, given ? 0 : 0.5, o.dense ? "" : prune_section(o, epochs, given));
}

}  // namespace

void init_command(const InitOptions& given) {
  InitOptions o = given;
  std::error_code unknown;
  if (o.data.empty()) {
    if (!on_terminal())
      fail(ExitCode::usage,
           "espalier init: give --data (fashion_mnist, synthetic, or the folder of a data set or of pictures), and for a "
           "trained network --network FILE; on a terminal it asks");
    o.data = ask("Data: fashion_mnist, synthetic, or a folder (MNIST, CIFAR, or train/CLASS/*.png)", "fashion_mnist");
    if (o.network.empty()) o.network = ask("Start from a network file (.onnx, .safetensors), or \"none\"", "none");
    if (o.network == "none") o.network.clear();
    o.file = ask("Write the config to", o.file);
  }
  const FoundData data = data_of(o.data);
  const FoundNetwork network = o.network.empty() ? FoundNetwork{} : network_in(o.network);
  if (fs::exists(o.file, unknown) && !o.overwrite)
    fail(ExitCode::usage, "{}: is there already, and stays as it is; give another name, or --overwrite", o.file);
  const std::string text = config_text(o, data, network);
  RunConfig checked;  // a config that the program itself would refuse is no start
  const JsonDocument document = JsonDocument::parse(text, o.file);
  read_fields(document, [&](Fields& f) { checked.fields(f); });
  write_file_atomically(o.file, text);
  fmt::print("{}: {} on {}\n  next: espalier {} {}\n", o.file, checked.model.type, data.kind,
             o.dense ? "train" : "prune", o.file);
}

}  // namespace espalier
