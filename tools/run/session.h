// session.h: what every verb begins with: config read, data opened, model built, weights found.
#pragma once

#include <memory>
#include <string>

#include "tools/run/earlier_run.h"
#include "tools/run/options.h"
#include "tools/run/run_config.h"

namespace espalier {

/// A line for people on standard error, unless they asked for quiet.
void say(const CommandOptions& options, const std::string& line);

/// Reads the config of the command line, with its overrides and --output applied.
RunConfig read_run_config(const CommandOptions& options);

/// The folder of the config's run: "output", else runs/NAME.
std::filesystem::path run_directory(const RunConfig& config);

/// The checkpoint that a verb looks at: the one asked for by --checkpoint, else that of the config's run if it has
/// been made, else the config's own, which may be empty.
std::string checkpoint_to_read(const CommandOptions& options, const RunConfig& config);

/// Data and network of a run.
struct Workbench {
  LoadedData data;
  std::unique_ptr<Model> model;
};
/// Opens the data (checking the recorded hash, if the config has one), builds the model and loads the checkpoint;
/// empty: the weights stay fresh.
Workbench prepare(RunConfig& config, const std::string& checkpoint);

/// Fills in what config.json records of a run beside its settings; `weights`: those the verb looks at, where it
/// trains none. After prepare(), which knows the data.
void set_provenance(RunConfig& config, const std::string& verb, std::span<const Real> weights = {});

/// What the options say of an earlier run in the folder.
Earlier earlier_of(const CommandOptions& options);

/// From here on Ctrl-C and SIGTERM ask for a stop with everything saved (Trainer::request_stop). To be called
/// when there is something to save: before, while data load, a signal ends the program at once.
void stop_gently_on_signals();

}  // namespace espalier
