// session.h: what every verb begins with: config read, data opened, model built, folder locked.
#pragma once

#include <memory>
#include <string>

#include "framework/io/metrics.h"
#include "framework/io/run_folder.h"
#include "tools/run/commands.h"
#include "tools/run/run_config.h"

namespace espalier {

/// Reads the config of the command line, with its overrides and --output applied.
RunConfig read_run_config(const CommandOptions& options);

/// Data and network of a run.
struct Workbench {
  LoadedData data;
  std::unique_ptr<Model> model;
};
/// Opens the data (checking the recorded hash, if the config has one),
/// builds the model and loads its checkpoint.
Workbench prepare(RunConfig& config, const std::string& checkpoint);

/// From here on Ctrl-C and SIGTERM ask for a stop with everything saved (Trainer::request_stop). To be called
/// when there is something to save: before, while data load, a signal ends the program at once.
void stop_gently_on_signals();

std::filesystem::path run_directory(const RunConfig& config);

}  // namespace espalier
