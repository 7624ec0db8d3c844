// lesson_data.h: RUN/tour.json: what the lesson ("visual tour") of `espalier report` shows of a run's own network. Written at
// the end of `prune` (the network as it was before the first step) and of `curvature`. Under 700 kB.
#pragma once

#include <string>
#include <vector>

#include "tools/run/run_config.h"
#include "tools/run/session.h"

namespace espalier {

struct LessonRequest {
  std::string checkpoint;  ///< file of the weights looked at, relative to the run's folder; empty: fresh ones
  std::string moment;      ///< which network this is, in words
  std::vector<bool> removed_later;  ///< of the prunable weights, by the run; empty: unknown
};

/// The lesson of `model` as JSON text. `config` measures curvature (its criterion becomes "woodtaylor"), from
/// at most 400 gradients.
std::string lesson_json(Model& model, const LoadedData& data, PruneConfig& config, std::uint64_t seed,
                        const LessonRequest& request);

/// Writes tour.json of a finished `prune` run into its folder. A lesson that fails is a note on standard error,
/// for the run has not.
void write_lesson_of_run(const RunFolder& folder, RunConfig& config, const Workbench& bench, bool quiet);
/// The same for `curvature`: of bench's network as it is. `prune` may be empty: the defaults measure.
void write_lesson_of_study(const RunFolder& folder, const RunConfig& config, std::optional<PruneConfig> prune,
                           const Workbench& bench, bool quiet);

}  // namespace espalier
