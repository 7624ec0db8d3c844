// plots.h: the pictures of a run.
#pragma once

#include <string>
#include <vector>

#include "framework/io/metrics.h"
#include "framework/io/run_folder.h"

namespace espalier {

/// Draws accuracy and loss over epochs with the pruning steps marked, sparsity per layer, and predicted
/// against measured loss change, as far as the run has them. Returns the lines that tell the user where they
/// lie, or why there are none.
std::string draw_plots(const RunFolder& folder, const std::vector<MetricsRow>& rows);

}  // namespace espalier
