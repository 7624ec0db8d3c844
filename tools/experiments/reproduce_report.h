// reproduce_report.h: what an experiment found, beside what was published: tables, verdicts, charts.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "framework/io/metrics.h"
#include "tools/experiments/experiment.h"
#include "tools/report/published.h"

namespace espalier {

/// All seeds of one cell of a table.
struct CellStatistics {
  int seeds = 0;
  double mean = 0, deviation = 0;  ///< of the quantity (accuracies in %); deviation over the seeds, 0 for one
  double seconds = 0;              ///< mean
  std::int64_t test_images = 0;
};
/// Rows of `part` whose method and value these are;
/// `seeds` is 0 if none has the quantity, a column of the results.
CellStatistics statistics_of(const std::vector<MetricsRow>& rows, const std::string& part,
                             const std::string& method, const std::string& value,
                             const std::string& quantity = "test_accuracy");

/// Half of the 95 % band of an accuracy [%]: that of drawing the test images, and that of the seeds.
double noise_of(const CellStatistics& cell);

/// One word on ours beside a published accuracy: "equal" (to its last digit),
/// "within" the band, "above" or "below".
std::string verdict(const CellStatistics& ours, double published);

/// The published accuracies of the experiment's folder; none: empty.
Published published_of(const Experiment& experiment);

/// Accuracy and sparsity of a run that trains, before and after a pruning step or at an epoch's end.
struct CurvePoint {
  std::string part, method, value;
  int seed = 1;
  bool step = false;                                                  ///< a pruning step; else an epoch's end
  double epoch = 0, sparsity = 0, accuracy_before = 0, accuracy = 0;  ///< shares; before: of steps only
};

/// Tables of all parts for a terminal, or as Markdown.
std::string experiment_tables(const Experiment& experiment, const std::vector<MetricsRow>& rows,
                              bool markdown);

/// Charts into `folder`: for each part with at least two numeric values and each quantity that it shows
/// PART.png or PART_QUANTITY.png (of predicted and measured losses PART_loss.png, one against the other); for
/// each part and value of runs that train and prune the accuracy over epochs, PART_VALUE_epochs.png. Pictures
/// that lie there already are removed.
void draw_experiment(const Experiment& experiment, const std::vector<MetricsRow>& rows,
                     const std::vector<CurvePoint>& curves, const std::filesystem::path& folder);

}  // namespace espalier
