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
  std::vector<std::string> notices{};  ///< what the user should know of them, for the log and the report
};
/// Where the weights come from.
struct Start {
  std::string checkpoint;         ///< loaded; empty: fresh weights
  std::string described_by = {};  ///< file whose record (network_record.h) counts; empty: the checkpoint's
  bool test_only = false;     ///< the training images need not be there (if the record says what they would)
  bool same_classes = false;  ///< other classes than those of the record are an error, not a notice
};
/// Opens the data (checking the recorded hash, if the config has one), builds the model and loads its
/// checkpoint. What the config left open (normalisation, class names, padding) is taken from the checkpoint's
/// record, else from the data, and stands in the config afterwards.
Workbench prepare(RunConfig& config, const Start& start);

std::filesystem::path run_directory(const RunConfig& config);

}  // namespace espalier
