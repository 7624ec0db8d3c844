#include "tools/experiments/reproduce_results.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "framework/data/hash.h"

namespace espalier {
namespace {

/// A result's head with the columns of the run's own row that it does not have itself.
MetricsRow joined(const ResultRow& head, const MetricsRow& own) {
  MetricsRow all = to_row(head);
  for (const auto& [name, value] : own)
    if (name != "event" && !find(all, name)) all.emplace_back(name, value);
  return all;
}

/// What a run's epochs and pruning steps up to some moment add up to.
struct Totals {
  std::int64_t steps = 0;
  double predicted = 0, measured = 0, seconds = 0;

  void add(const EpochRow& epoch) { seconds += std::isfinite(epoch.seconds) ? epoch.seconds : 0; }
  void add(const PruneRow& step) {
    seconds += std::isfinite(step.seconds) ? step.seconds : 0;
    predicted += step.predicted_loss_change.value_or(NAN);
    measured += step.measured_loss_change;
    ++steps;
  }
  void put(ResultRow& head) const {
    head.seconds = seconds;
    if (steps == 0) return;
    head.steps = steps;
    head.predicted_loss_change = predicted;
    head.measured_loss_change = measured;
  }
};

}  // namespace

ResultRow head_of(const ExperimentCell& cell) {
  return {.run = cell.label(),
          .part = cell.part->name,
          .method = cell.method_name(),
          .value = cell.shown_value(),
          .seed = cell.seed,
          .config_sha256 = sha256(cell.config)};
}

std::vector<MetricsRow> results_of(const ExperimentCell& cell) {
  const std::vector<MetricsRow> rows = read_metrics(cell.results_folder() / "metrics.jsonl");
  ResultRow common = head_of(cell);
  for (const DenseRow& dense : rows_of<DenseRow>(rows)) common.test_images = dense.test_images;
  for (const DoneRow& done : rows_of<DoneRow>(rows)) common.test_images = done.test_images;
  std::vector<MetricsRow> results;
  MetricsRow reached;  // last step of the level so far
  Totals totals, at_level;
  const auto close_level = [&] {
    if (reached.empty()) return;
    ResultRow head = common;
    head.value = fmt::format("{:g}", read_row<PruneRow>(reached)->target);
    at_level.put(head);
    results.push_back(joined(head, reached));
  };
  for (const MetricsRow& row : rows) {
    ResultRow head = common;
    if (const auto epoch = read_row<EpochRow>(row)) totals.add(*epoch);
    if (const auto step = read_row<PruneRow>(row)) {
      if (!reached.empty() && step->target != read_row<PruneRow>(reached)->target && cell.part->every_level)
        close_level();
      totals.add(*step);
      at_level = totals;
      reached = row;
    }
    if (const auto c = read_row<CellRow>(row)) {
      head.value = fmt::format("{:g}", c->target);
      results.push_back(joined(head, row));
    }
    if (const auto study = read_row<CurvatureRow>(row)) {  // its layers are rows of the table
      head.method = head.method.empty() ? study->layer : head.method + ", " + study->layer;
      head.value = fmt::format("{:g}", static_cast<double>(study->examples));
      results.push_back(joined(head, row));
    }
    if (!read_row<DoneRow>(row)) continue;
    if (cell.part->every_level) {
      close_level();
    } else {
      totals.put(head);
      results.push_back(joined(head, row));
    }
  }
  return results;
}

bool ResultsLog::has(const ExperimentCell& cell) const {
  const std::string hash = sha256(cell.config), label = cell.label();
  return std::any_of(log_.rows().begin(), log_.rows().end(), [&](const MetricsRow& row) {
    const auto head = read_row<ResultRow>(row);
    return head && head->run == label && head->config_sha256 == hash;
  });
}

template <class Keep>
void ResultsLog::keep_those(const Keep& keep) {
  std::vector<MetricsRow> kept;
  for (const MetricsRow& row : log_.rows())
    if (const auto head = read_row<ResultRow>(row); head && keep(head->run)) kept.push_back(row);
  if (kept.size() == log_.size()) return;
  log_.truncate(0);
  for (const MetricsRow& row : kept) log_.append(row);
}

void ResultsLog::add(const ExperimentCell& cell, const std::vector<MetricsRow>& rows) {
  keep_those([&](const std::string& run) { return run != cell.label(); });
  for (const MetricsRow& row : rows) log_.append(row);
}

void ResultsLog::keep_only(const std::vector<ExperimentCell>& cells) {
  std::set<std::string> names;
  for (const ExperimentCell& cell : cells) names.insert(cell.label());
  keep_those([&](const std::string& run) { return names.contains(run); });
}

}  // namespace espalier
