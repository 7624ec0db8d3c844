// oddities.h: what in a config is allowed but hardly meant, in sentences for the log and the report.
#pragma once

#include <string>
#include <vector>

#include "tools/run/run_config.h"

namespace espalier {

/// Warm-up that outlasts the run, rates that drop after its end, means and deviations of another scale, ...
std::vector<std::string> oddities(const RunConfig& config);

/// Weights of the network to begin with that are zero, but not pruned: training would revive them.
std::vector<std::string> zeros_without_masks(const Model& model);

}  // namespace espalier
