#include "tools/experiments/charts.h"

#include <algorithm>
#include <cmath>

#include "framework/io/plot.h"
#include "tools/experiments/tables.h"

namespace espalier {
namespace {

/// A quantity over the part's values, a line a method; published accuracies as points.
LineChart chart_of(const ExperimentPart& part, const Axes& axes, const std::vector<Result>& results,
                   const std::string& quantity, const Published& published) {
  LineChart chart{.title = part.heading(),
                  .x_title = words(part.varied()),
                  .y_title = quantity == accuracy ? "test accuracy [%]" : words(quantity)};
  if (chart.x_title.empty()) chart.x_title = part.verb == "curvature" ? "examples" : "sparsity";
  const double first = std::stod(axes.values.front()), last = std::stod(axes.values.back());
  chart.log_x = first > 0 && last / first > 50;
  for (const std::string& method : axes.methods) {
    Series line{.label = method, .style = Series::Style::line_points};
    for (const std::string& v : axes.values)
      if (const CellStatistics cell = statistics_of(results, method, v, quantity); cell.seeds) {
        line.x.push_back(std::stod(v));
        line.y.push_back(cell.mean);
      }
    chart.series.push_back(line);
  }
  for (const PublishedRow& p : published.rows) {
    Series line{.label = "published: " + p.method, .style = Series::Style::points};
    for (const std::string& v : axes.values)
      if (const auto found = p.accuracy.find(v); found != p.accuracy.end()) {
        line.x.push_back(std::stod(v));
        line.y.push_back(found->second);
      }
    if (!line.x.empty()) chart.series.push_back(line);
  }
  return chart;
}

/// Measured against predicted change of the loss, a point a run, with the line where they are equal. Both axes are
/// logarithmic: runs whose loss fell, or was to fall, are left out.
LineChart loss_chart(const ExperimentPart& part, const std::vector<Result>& results) {
  LineChart chart{.title = part.heading(),
                  .x_title = "predicted change of the loss",
                  .y_title = "measured",
                  .log_x = true,
                  .log_y = true};
  double low = HUGE_VAL, high = 0;
  for (const std::string& method : axes_of(results, part.method_names(), "measured_loss_change").methods) {
    Series points{.label = method, .style = Series::Style::points};
    for (const Result& r : results) {
      const double predicted = r.head.predicted_loss_change.value_or(NAN),
                   measured = r.head.measured_loss_change.value_or(NAN);
      if (r.head.method != method || !(predicted > 0 && measured > 0)) continue;
      points.x.push_back(predicted);
      points.y.push_back(measured);
      low = std::min({low, predicted, measured});
      high = std::max({high, predicted, measured});
    }
    if (!points.x.empty()) chart.series.push_back(points);
  }
  if (!chart.series.empty())
    chart.series.push_back({.label = "measured as predicted", .x = {low, high}, .y = {low, high}});
  return chart;
}

/// Accuracy over epochs for one value, a line a method: at every pruning step it drops from what it was to
/// what is left. Of the first seed. No series where no step lies between epochs.
LineChart epochs_chart(const ExperimentPart& part, const std::string& value,
                       const std::vector<CurvePoint>& curves) {
  LineChart chart{
      .title = part.heading(),
      .x_title = value.empty() ? "epoch" : fmt::format("epoch ({} {})", words(part.varied()), value),
      .y_title = "test accuracy [%]"};
  std::vector<std::string> methods;
  std::vector<CurvePoint> mine;
  for (const CurvePoint& p : curves) {
    if (p.part != part.name || p.value != value) continue;
    if (mine.empty() || p.seed == mine.front().seed) mine.push_back(p);
    add_once(methods, p.method);
  }
  for (const std::string& method : methods) {
    Series line{.label = method};
    const auto add = [&](double epoch, double share) {
      line.x.push_back(epoch);
      line.y.push_back(100 * share);
    };
    for (const CurvePoint& p : mine) {
      if (p.method != method) continue;
      if (p.step) add(p.epoch, p.accuracy_before);
      add(p.epoch, p.accuracy);
      if (!p.step || method != methods.front()) continue;
      const std::string reached = fmt::format("{:.0f} %", 100 * p.sparsity);
      if (!chart.markers.empty() && chart.markers.back().x == p.epoch)
        chart.markers.back().label = reached;  // the last sub-step of a step
      else
        chart.markers.push_back({p.epoch, reached});
    }
    chart.series.push_back(line);
  }
  if (chart.markers.empty()) chart.series.clear();
  return chart;
}

bool shows(const ExperimentPart& part, const std::string& quantity) {
  return std::find(part.show.begin(), part.show.end(), quantity) != part.show.end();
}

void draw_part(const ExperimentPart& part, const std::vector<Result>& results,
               const std::vector<CurvePoint>& curves, const Published& published,
               const std::filesystem::path& folder) {
  // Candidates are judged on held-out images: published accuracies have no place there.
  const bool beside = !part.choose_from.empty() ||
                      std::any_of(part.methods.begin(), part.methods.end(),
                                  [](const ExperimentMethod& m) { return !m.published.empty(); });
  const bool both = shows(part, "predicted_loss_change") && shows(part, "measured_loss_change");
  if (both) write_plot(folder / (part.name + "_loss"), loss_chart(part, results));
  for (const std::string& quantity : part.show) {
    if (both && quantity.ends_with("_loss_change")) continue;
    const Axes axes = axes_of(results, part.method_names(), quantity);
    if (axes.values.size() < 2 || !std::all_of(axes.values.begin(), axes.values.end(), is_number)) continue;
    write_plot(
        folder / (quantity == accuracy ? part.name : part.name + "_" + quantity),
        chart_of(part, axes, results, quantity, beside && quantity == accuracy ? published : Published{}));
  }
  for (const std::string& value : axes_of(results, part.method_names()).values)
    if (const LineChart chart = epochs_chart(part, value, curves); !chart.series.empty())
      write_plot(folder / fmt::format("{}_{}_epochs", part.name, value.empty() ? "all" : value), chart);
}

}  // namespace

std::vector<CurvePoint> curves_of(const std::vector<ExperimentCell>& cells) {
  std::vector<CurvePoint> curves;
  for (const ExperimentCell& cell : cells) {
    if (cell.part->verb != "train" && cell.part->verb != "prune") continue;
    std::vector<CurvePoint> run;
    bool trained = false;
    const auto add = [&](bool step, std::int64_t epoch, double sparsity, double before, double after) {
      run.push_back({.part = cell.part->name,
                     .method = cell.method_name(),
                     .value = cell.shown_value(),
                     .seed = cell.seed,
                     .step = step,
                     .epoch = static_cast<double>(epoch),
                     .sparsity = sparsity,
                     .accuracy_before = before,
                     .accuracy = after});
    };
    for (const MetricsRow& row : read_metrics(cell.folder / "metrics.jsonl")) {
      if (const auto epoch = read_row<EpochRow>(row)) {
        trained = true;
        add(false, epoch->epoch, run.empty() ? 0 : run.back().sparsity, NAN, epoch->test_accuracy);
      }
      if (const auto step = read_row<PruneRow>(row))
        add(true, step->epoch, step->sparsity, step->test_accuracy_before, step->test_accuracy);
    }
    if (trained) curves.insert(curves.end(), run.begin(), run.end());
  }
  return curves;
}

void draw_experiment(const Experiment& experiment, const std::vector<Result>& results,
                     const std::vector<CurvePoint>& curves, const std::filesystem::path& folder) {
  const Published published = published_of(experiment);
  for (const auto& file : std::filesystem::directory_iterator(folder))
    std::filesystem::remove(file.path());  // pictures of parts that are gone
  for (const ExperimentPart& part : experiment.parts)
    draw_part(part, of_part(results, part.name), curves, published, folder);
}

}  // namespace espalier
