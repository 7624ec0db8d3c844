// plots.h: a run's pictures as files: accuracy and loss over epochs. Everything else of a run is drawn by its
// report, which reads the same rows.
#pragma once

#include <string>
#include <vector>

#include "framework/io/metrics.h"
#include "framework/io/run_folder.h"

namespace espalier {

/// Draws accuracy and loss over epochs with the pruning steps marked, for a run that trained. Returns the lines
/// that tell the user where they lie, or why there are none.
std::string draw_plots(const RunFolder& folder, const std::vector<MetricsRow>& rows);

}  // namespace espalier
