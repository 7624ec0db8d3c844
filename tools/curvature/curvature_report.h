// curvature_report.h: what `espalier curvature` shows of its rows of metrics: a table and heat maps;
// its report draws the rest.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pruning/curvature/study.h"
#include "tools/run/curvature_config.h"
#include "tools/run/rows.h"

namespace espalier {

/// For people: "Hessian", "empirical Fisher", ...
std::string title_of(CurvatureKind kind);

/// Heat maps of all matrices of one dense study side by side with one colour scale. Returns a line that says
/// where the picture lies, or why there is none.
std::string draw_heat_maps(const std::filesystem::path& name, const std::string& title, CurvatureStudy& study,
                           const CurvatureConfig& config);

/// A table of all rows, for a terminal.
std::string curvature_table(const std::vector<CurvatureRow>& rows, const CurvatureConfig& config);

}  // namespace espalier
