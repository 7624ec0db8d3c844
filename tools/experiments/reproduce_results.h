// reproduce_results.h: what finished runs of an experiment add to its results, and the table that keeps them.
#pragma once

#include <filesystem>
#include <vector>

#include "framework/io/metrics.h"
#include "framework/io/run_folder.h"
#include "tools/experiments/experiment.h"
#include "tools/experiments/results.h"

namespace espalier {

/// What a result is of; its own columns follow.
ResultRow head_of(const ExperimentCell& cell);

/// Rows that one finished run adds to the results: of a sweep and a study of curvature one for each of its cells,
/// of a part with "every_level" one for each level of the schedule, else one.
std::vector<MetricsRow> results_of(const ExperimentCell& cell);

/// Results of an experiment's runs: metrics.jsonl and .csv of its folder, every row with the run and the hash of
/// its config, so that a run is known to be done without its data being opened.
class ResultsLog {
 public:
  explicit ResultsLog(const std::filesystem::path& folder) : folder_(folder), log_(folder_.path()) {}
  std::vector<Result> results() const { return read_results(log_.rows()); }
  bool has(const ExperimentCell& cell) const;
  /// Rows of a config that the run had before are dropped.
  void add(const ExperimentCell& cell, const std::vector<MetricsRow>& rows);
  /// Drops rows of runs that the experiment no longer has.
  void keep_only(const std::vector<ExperimentCell>& cells);

 private:
  template <class Keep>
  void keep_those(const Keep& keep);

  RunFolder folder_;
  MetricsLog log_;
};

}  // namespace espalier
