// summary.h: what a user sees at the end of a run, made from the run's metrics alone, so that a finished run
// can be shown again without being repeated.
#pragma once

#include <string>

#include "framework/io/metrics.h"
#include "framework/io/run_folder.h"

namespace espalier {

/// Draws the plots into the folder and returns the final table as text.
std::string summary(const RunFolder& folder, const MetricsLog& metrics);

}  // namespace espalier
