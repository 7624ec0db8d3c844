// results.h: what an experiment found, as statistics over its seeds, and how that compares with what was published.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tools/report/published.h"
#include "tools/run/rows.h"

namespace espalier {

/// The quantity that is published, judged and told in per cent; all others are named by experiments.
inline constexpr std::string_view accuracy = "test_accuracy";

/// A result: which run's, and all columns of its row, of which experiments name those that they show.
struct Result {
  ResultRow head;
  MetricsRow row;
  /// NaN if it has none of that name.
  double quantity(std::string_view name) const { return number(row, name); }
};
/// Rows of metrics that are no results are left out.
std::vector<Result> read_results(const std::vector<MetricsRow>& rows);
/// Those of one part.
std::vector<Result> of_part(const std::vector<Result>& results, const std::string& part);

/// All seeds of one cell of a table.
struct CellStatistics {
  int seeds = 0;
  double mean = 0, deviation = 0;  ///< of the quantity (accuracies in %); deviation over the seeds, 0 for one
  double seconds = 0;              ///< mean
  std::int64_t test_images = 0;
};
/// Of the results (of one part) with this method and value; `seeds` is 0 if none has the quantity.
CellStatistics statistics_of(const std::vector<Result>& results, const std::string& method,
                             const std::string& value, std::string_view quantity = accuracy);

/// Half of the 95 % band of an accuracy [%]: that of drawing the test images, and that of the seeds.
double noise_of(const CellStatistics& cell);

/// One word on ours beside a published accuracy: "equal" (to its last digit), "within" the band, "above" or
/// "below".
std::string verdict(const CellStatistics& ours, double published);

/// Methods and values of a part that have results of a quantity: methods as listed, then in the order in which they
/// came; values that are numbers from low to high.
struct Axes {
  std::vector<std::string> methods, values;
};
Axes axes_of(const std::vector<Result>& results, const std::vector<std::string>& listed_methods,
             std::string_view quantity = accuracy);

/// Whether the text is a number as a whole.
bool is_number(const std::string& text);

/// Appends a name that is not there yet.
void add_once(std::vector<std::string>& list, const std::string& name);

}  // namespace espalier
