// resume.h: which settings a stopped run may be continued with: those it had, and others where the old value
// has had no effect yet.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "framework/io/metrics.h"
#include "tools/run/run_config.h"

namespace espalier {

/// Compares the config a run was stopped with and `now` (`resolved` as JSON). Returns "train.epochs: 2 -> 4" for
/// each setting that differs and may. Throws Error(config) naming all that may not, with the reason. `rows` are
/// the metrics; `state` names the file in messages.
std::vector<std::string> accept_changes(const ResumePoint& point, const RunConfig& now,
                                        const std::string& resolved, const std::vector<MetricsRow>& rows,
                                        const std::filesystem::path& state);

}  // namespace espalier
