// curvature_report.h: what `espalier curvature` shows of its rows of metrics: a table and charts.
#pragma once

#include <string>
#include <vector>

#include "framework/io/metrics.h"
#include "framework/io/run_folder.h"
#include "pruning/curvature/study.h"
#include "tools/run/curvature_config.h"

namespace espalier {

/// For people: "Hessian", "empirical Fisher", ...
std::string title_of(CurvatureKind kind);

/// Heat maps of all matrices of one dense study side by side with one colour scale. Returns a line that says
/// where the picture lies, or nothing if there is none.
std::string draw_heat_maps(const std::filesystem::path& name, const std::string& title, CurvatureStudy& study,
                           const CurvatureConfig& config);

/// Likeness against examples, eigenvalues, and mass within block diagonals, of all rows. Returns lines that
/// say where the charts lie.
std::string draw_curvature_charts(const RunFolder& folder, const std::vector<MetricsRow>& rows,
                                  const CurvatureConfig& config);

/// A table of all rows, for a terminal.
std::string curvature_table(const std::vector<MetricsRow>& rows, const CurvatureConfig& config);

}  // namespace espalier
