// earlier_run.h: whether a folder already holds the run that a verb is about to make. All verbs ask this here.
#pragma once

#include <filesystem>

#include "framework/io/run_folder.h"
#include "tools/run/run_config.h"

namespace espalier {

/// What becomes of an earlier run in the folder.
enum class Earlier {
  replace,           ///< the new run begins, whatever is there
  resume,            ///< the same run goes on; another is refused
  resume_or_replace  ///< the same run goes on; another is replaced
};

/// Whether `folder` holds the run that `config` describes and `earlier` allows to go on with it. Two runs are the
/// same if their configs are, verb, version, data and weights included; where they lie, threads, and the lists of a
/// sweep (whose cells add up) do not count. Throws Error(config) with the setting that
/// differs if another run is there and is not to be replaced.
bool goes_on(const std::filesystem::path& folder, RunConfig& config, Earlier earlier);

/// Records the config of a run that begins or goes on.
void record_config(const RunFolder& folder, RunConfig& config);

/// Begins a run anew: what an earlier one would be resumed from goes first of all, so that a kill from here on
/// leaves no mixture; then the config is recorded.
void begin_run(const RunFolder& folder, RunConfig& config, bool quiet);

}  // namespace espalier
