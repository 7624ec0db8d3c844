#include "tools/run/session.h"

#include <csignal>

#include "framework/config/reader.h"
#include "framework/core/memory.h"
#include "framework/core/parallel.h"
#include "framework/data/hash.h"
#include "framework/deploy/network_file.h"
#include "framework/graph/json.h"
#include "framework/train/checkpoint.h"

namespace espalier {

void say(const CommandOptions& options, const std::string& line) {
  if (!options.quiet) fmt::print(stderr, "{}\n", line);
}

RunConfig read_run_config(const CommandOptions& options) {
  JsonDocument document = JsonDocument::load(options.config);
  for (const std::string& assignment : options.overrides) document.apply_override(assignment);
  RunConfig config;
  read_config(document, config);
  if (!options.output.empty()) config.output = options.output;
  return config;
}

namespace {

void on_interrupt(int) {
  std::signal(SIGINT, SIG_DFL);  // a second Ctrl-C or SIGTERM ends at once
  std::signal(SIGTERM, SIG_DFL);
  Trainer::request_stop();
}

/// OpenBLAS takes a buffer in every thread that multiplies,
/// and tries for ever where `ulimit -v` leaves no room.
void require_room_for_products() {
  constexpr double buffer = 128.0 * 1024 * 1024, rest = 64.0 * 1024 * 1024;
  const double left = static_cast<double>(available_address_space()), needed = threads() * buffer + rest;
  if (left < needed)
    fail(ExitCode::memory,
         "ulimit -v leaves {:.0f} MB of address space; {} thread(s) need {:.0f} MB before any data; raise "
         "it, or use "
         "fewer --threads",
         left / 1e6, threads(), needed / 1e6);
}

}  // namespace

void stop_gently_on_signals() {
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
}

namespace {

/// A compact file describes its network; if that is another than the config's (dead channels have left), it
/// takes its place.
void adopt_network(RunConfig& config, const WeightsFile& file, const std::string& path, const Shape& image,
                   int classes) {
  const auto described = file.metadata.find(model_key);
  if (described == file.metadata.end()) return;
  Variant<ModelSettings> own;
  read_fields(JsonDocument::parse(fmt::format("{{\"model\": {}}}", described->second), path),
              [&](Fields& f) { f.required().variant("model", own, "the network"); });
  if (to_json(own->graph(image, classes)) == to_json(config.model->graph(image, classes))) return;
  fmt::print(stderr,
             "note: {} describes its own network, which takes the place of the config's \"model\" ({})\n",
             path, config.model.type);
  config.model = std::move(own);
}

}  // namespace

Workbench prepare(RunConfig& config, const std::string& checkpoint) {
  require_room_for_products();
  Workbench bench;
  bench.data = open_data(config.data);
  std::string& recorded = config.provenance.data_hash;
  if (!recorded.empty() && recorded != bench.data.source.hash)
    fail(ExitCode::data,
         "the data are not those the config was recorded with: provenance.data_hash is {}, the data's "
         "SHA-256 is {}. Point data.source "
         "at the same files, or remove provenance from the config",
         recorded, bench.data.source.hash);
  recorded = bench.data.source.hash;
  const Preprocessing& p = bench.data.preprocessing;
  const Shape image{p.height, p.width, bench.data.source.train.channels};
  WeightsFile weights;
  if (!checkpoint.empty()) {
    weights = read_weights_file(checkpoint);
    adopt_network(config, weights, checkpoint, image, bench.data.source.classes());
    for (const std::string& notice : weights.notices) fmt::print(stderr, "note: {}\n", notice);
  }
  bench.model = config.model->build(image, bench.data.source.classes(), config.seed);
  if (!checkpoint.empty()) load_weights(weights, checkpoint, *bench.model);
  return bench;
}

std::string checkpoint_to_read(const CommandOptions& options, const RunConfig& config) {
  if (!options.checkpoint.empty()) return options.checkpoint;
  std::error_code unknown;
  const std::filesystem::path of_run = run_directory(config) / "checkpoint.safetensors";
  return std::filesystem::exists(of_run, unknown) ? of_run.string() : config.checkpoint;
}

void set_provenance(RunConfig& config, const std::string& verb, std::span<const Real> weights) {
  Provenance& made_by = config.provenance;
  made_by.version = ESPALIER_VERSION;
  made_by.verb = verb;
  made_by.weights_hash.clear();
  if (!weights.empty())
    made_by.weights_hash = sha256({reinterpret_cast<const char*>(weights.data()), weights.size_bytes()});
  made_by.threads = 0;
  config.output.clear();  // where a run lies is no part of what it is: folders may be moved
}

Earlier earlier_of(const CommandOptions& options) {
  if (!options.resume) return Earlier::replace;
  return options.replace_other ? Earlier::resume_or_replace : Earlier::resume;
}

std::filesystem::path run_directory(const RunConfig& config) {
  const std::string& name = config.name;
  if (config.output.empty() &&
      (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos))
    fail(ExitCode::config,
         "name is \"{}\"; it names a folder in runs/, so it must not be empty, \".\" or \"..\" nor hold a "
         "\"/\". "
         "output (or --output) may be any folder",
         name);
  return config.output.empty() ? std::filesystem::path("runs") / config.name
                               : std::filesystem::path(config.output);
}

}  // namespace espalier
