#include "tools/experiments/results.h"

#include <algorithm>
#include <cmath>

namespace espalier {

std::vector<Result> read_results(const std::vector<MetricsRow>& rows) {
  std::vector<Result> results;
  for (const MetricsRow& row : rows)
    if (std::optional<ResultRow> head = read_row<ResultRow>(row)) results.push_back({std::move(*head), row});
  return results;
}

std::vector<Result> of_part(const std::vector<Result>& results, const std::string& part) {
  std::vector<Result> found;
  for (const Result& r : results)
    if (r.head.part == part) found.push_back(r);
  return found;
}

CellStatistics statistics_of(const std::vector<Result>& results, const std::string& method,
                             const std::string& value, std::string_view quantity) {
  CellStatistics cell;
  double squares = 0;
  for (const Result& r : results) {
    if (r.head.method != method || r.head.value != value) continue;
    const double x = (quantity == accuracy ? 100 : 1) * r.quantity(quantity);
    if (!std::isfinite(x)) continue;
    ++cell.seeds;
    const double before = cell.mean;
    cell.mean += (x - before) / cell.seeds;
    squares += (x - before) * (x - cell.mean);
    cell.seconds += (r.head.seconds.value_or(NAN) - cell.seconds) / cell.seeds;
    if (r.head.test_images) cell.test_images = *r.head.test_images;
  }
  if (cell.seeds > 1) cell.deviation = std::sqrt(squares / (cell.seeds - 1));
  return cell;
}

double noise_of(const CellStatistics& cell) {
  const double p = cell.mean / 100,
               images = cell.test_images > 0 ? 1e4 * p * (1 - p) / static_cast<double>(cell.test_images) : 0;
  return 1.96 * std::sqrt(images + cell.deviation * cell.deviation / std::max(cell.seeds, 1));
}

std::string verdict(const CellStatistics& ours, double published) {
  const double difference = ours.mean - published;
  if (std::abs(difference) < 0.00501) return "equal";
  if (std::abs(difference) <= noise_of(ours)) return "within";
  return difference > 0 ? "above" : "below";
}

bool is_number(const std::string& text) {
  char* end = nullptr;
  (void)std::strtod(text.c_str(), &end);
  return !text.empty() && *end == '\0';
}

void add_once(std::vector<std::string>& list, const std::string& name) {
  if (std::find(list.begin(), list.end(), name) == list.end()) list.push_back(name);
}

Axes axes_of(const std::vector<Result>& results, const std::vector<std::string>& listed_methods,
             std::string_view quantity) {
  Axes axes;
  for (const std::string& method : listed_methods)
    if (std::any_of(results.begin(), results.end(), [&](const Result& r) { return r.head.method == method; }))
      axes.methods.push_back(method);
  for (const Result& r : results) {
    if (!std::isfinite(r.quantity(quantity))) continue;
    add_once(axes.methods, r.head.method);
    add_once(axes.values, r.head.value);
  }
  if (std::all_of(axes.values.begin(), axes.values.end(), is_number))
    std::sort(axes.values.begin(), axes.values.end(),
              [](const std::string& a, const std::string& b) { return std::stod(a) < std::stod(b); });
  return axes;
}

}  // namespace espalier
