#include "tools/run/session.h"

#include <csignal>

#include "framework/config/reader.h"
#include "framework/core/memory.h"
#include "framework/core/parallel.h"
#include "framework/train/checkpoint.h"

namespace espalier {

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
  config.provenance.threads = 0;
  const Preprocessing& p = bench.data.preprocessing;
  bench.model = config.model->build({p.height, p.width, bench.data.source.train.channels},
                                    bench.data.source.classes(), config.seed);
  if (!checkpoint.empty())
    for (const std::string& notice : load_checkpoint(checkpoint, *bench.model).notices)
      fmt::print(stderr, "note: {}\n", notice);
  return bench;
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
