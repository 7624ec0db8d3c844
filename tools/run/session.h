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

/// Data and network of a run.
struct Workbench {
  LoadedData data;
  std::unique_ptr<Model> model;
  std::vector<std::string> notices{};  ///< what the user should know of them, for the log and the report
};
/// Where the weights come from.
struct Start {
  CheckpointSettings checkpoint = {};  ///< loaded; empty: fresh weights
  std::string described_by = {};  ///< file whose record (network_record.h) counts; empty: the checkpoint's
  bool test_only = false;     ///< the training images need not be there (if the record says what they would)
  bool same_classes = false;  ///< other classes than those of the record are an error, not a notice
  bool new_head = false;      ///< the classifier stays fresh
};
/// Where a new run of the config begins.
Start beginning_of(const RunConfig& config);
/// What a verb looks at: the checkpoint asked for by --checkpoint, else that of the config's run if it has been made,
/// else what the config begins with, which may be nothing.
Start start_to_read(const CommandOptions& options, const RunConfig& config);
/// Opens the data (checking the recorded hash, if the config has one), builds the model and loads its
/// checkpoint. What the config left open (normalisation, class names, padding) is taken from the checkpoint's
/// record, else from the data, and stands in the config afterwards.
Workbench prepare(RunConfig& config, const Start& start);

/// The network of a config whose data are open: fresh, or with the weights of the start's checkpoint. A compact file
/// that describes another network than the config's brings it into the config; notices of that are appended.
std::unique_ptr<Model> build_network(RunConfig& config, const Start& start, const LoadedData& data,
                                     std::vector<std::string>* notices = nullptr);

/// Fills in what config.json records of a run beside its settings; `weights`: those the verb looks at, where it
/// trains none. After prepare(), which knows the data.
void set_provenance(RunConfig& config, const std::string& verb, std::span<const Real> weights = {});

/// What the options say of an earlier run in the folder.
Earlier earlier_of(const CommandOptions& options);

}  // namespace espalier
