// reproduce_report.h: what an experiment found, beside what was published: tables, verdicts, charts.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "framework/io/metrics.h"
#include "tools/espalier/experiment.h"
#include "tools/espalier/published.h"

namespace espalier {

/// All seeds of one cell of a table.
struct CellStatistics {
  int seeds = 0;
  double mean = 0, deviation = 0;    ///< test accuracy [%]; deviation over the seeds, 0 for one
  double sparsity = 0, seconds = 0;  ///< means
  std::int64_t test_images = 0;
};
/// Rows of `part` whose method and value these are; `seeds` is 0 if there are none.
CellStatistics statistics_of(const std::vector<MetricsRow>& rows, const std::string& part,
                             const std::string& method, const std::string& value);

/// Half of the 95 % band of an accuracy [%]: that of drawing the test images, and that of the seeds.
double noise_of(const CellStatistics& cell);

/// One word on ours beside a published accuracy: "equal" (to its last digit), "within" the band, "above" or
/// "below".
std::string verdict(const CellStatistics& ours, double published);

/// Tables of all parts for a terminal, or as Markdown.
std::string experiment_tables(const Experiment& experiment, const std::vector<MetricsRow>& rows,
                              bool markdown);

/// One chart a part with at least two numeric values, into `folder`/PART.png. Returns the files drawn.
std::vector<std::filesystem::path> draw_experiment(const Experiment& experiment,
                                                   const std::vector<MetricsRow>& rows,
                                                   const std::filesystem::path& folder);

}  // namespace espalier
