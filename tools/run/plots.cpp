#include "tools/run/plots.h"

#include <cmath>

#include "framework/io/plot.h"

namespace espalier {
namespace {

std::string percent(double share) { return fmt::format("{:.0f} %", 100 * share); }

std::vector<Marker> pruning_markers(const std::vector<MetricsRow>& rows) {
  std::vector<Marker> markers;
  for (const MetricsRow& row : rows)
    if (text(row, "event") == "prune") {
      const double epoch = number(row, "epoch");
      if (!markers.empty() && markers.back().x == epoch) markers.pop_back();  // of sub-steps, the last
      markers.push_back({epoch, percent(number(row, "sparsity"))});
    }
  return markers;
}

LineChart accuracy_chart(const std::vector<MetricsRow>& rows) {
  LineChart chart{.title = "Accuracy over training; pruning steps with the sparsity reached",
                  .x_title = "epochs",
                  .y_title = "accuracy [%]",
                  .markers = pruning_markers(rows)};
  Series train{.label = "training (augmented)"}, test{.label = "test", .style = Series::Style::line_points};
  for (const MetricsRow& row : rows) {
    const std::string event = text(row, "event");
    const double epoch = number(row, "epoch");
    if (event == "epoch") {
      train.x.push_back(epoch);
      train.y.push_back(100 * number(row, "train_accuracy"));
    }
    if (event == "epoch" || event == "prune") {
      test.x.push_back(epoch);
      test.y.push_back(100 * number(row, "test_accuracy"));
    }
  }
  if (!train.x.empty()) chart.series.push_back(train);
  chart.series.push_back(test);
  return chart;
}

LineChart loss_chart(const std::vector<MetricsRow>& rows) {
  LineChart chart{.title = "Loss over training",
                  .x_title = "epochs",
                  .y_title = "cross-entropy [nats]",
                  .markers = pruning_markers(rows)};
  Series train{.label = "training (augmented)"}, test{.label = "test", .style = Series::Style::line_points};
  for (const MetricsRow& row : rows) {
    if (text(row, "event") != "epoch") continue;
    train.x.push_back(number(row, "epoch"));
    train.y.push_back(number(row, "train_loss"));
    test.x.push_back(number(row, "epoch"));
    test.y.push_back(number(row, "test_loss"));
  }
  chart.series = {train, test};
  return chart;
}

BarChart sparsity_chart(const MetricsRow& done) {
  BarChart chart{.title = "Sparsity per layer", .value_title = "weights removed [%]", .high = 100};
  const std::string prefix = "sparsity.";
  for (const auto& [name, value] : done)
    if (name.starts_with(prefix))
      chart.bars.push_back(
          {name.substr(prefix.size()), 100 * number(done, name), percent(number(done, name))});
  chart.markers = {{100 * number(done, "sparsity"), "all: " + percent(number(done, "sparsity"))}};
  return chart;
}

ScatterChart prediction_chart(const std::vector<MetricsRow>& rows) {
  ScatterChart chart{.title = "Loss change of each pruning step",
                     .x_title = "predicted by the quadratic model [nats]",
                     .y_title = "measured on the same examples [nats]"};
  Series steps{.label = "pruning steps", .style = Series::Style::points};
  for (const MetricsRow& row : rows)
    if (text(row, "event") == "prune" && std::isfinite(number(row, "predicted_loss_change"))) {
      steps.x.push_back(number(row, "predicted_loss_change"));
      steps.y.push_back(number(row, "measured_loss_change"));
      steps.notes.push_back(percent(number(row, "sparsity")));
    }
  if (!steps.x.empty()) chart.series.push_back(steps);
  return chart;
}

}  // namespace

std::string draw_plots(const RunFolder& folder, const std::vector<MetricsRow>& rows) {
  std::string lines;
  bool drawn = true;
  const auto draw = [&](const char* name, const auto& chart) {
    drawn = write_plot(folder.plots() / name, chart) && drawn;
    lines +=
        fmt::format("  {:<12} {}\n", "picture", (folder.plots() / (std::string(name) + ".png")).string());
  };
  bool epochs = false, steps = false;
  for (const MetricsRow& row : rows) {
    epochs |= text(row, "event") == "epoch";
    steps |= text(row, "event") == "prune";
  }
  if (epochs) {
    draw("accuracy", accuracy_chart(rows));
    draw("loss", loss_chart(rows));
  }
  if (steps && text(rows.back(), "event") == "done") draw("sparsity", sparsity_chart(rows.back()));
  if (const ScatterChart chart = prediction_chart(rows); !chart.series.empty()) draw("prediction", chart);
  if (drawn) return lines;
  return fmt::format(
      "  pictures     not drawn: {}; the scripts are in {} (run `gnuplot NAME.gp` there)\n",
      gnuplot_available() ? "gnuplot failed" : "gnuplot is not installed (Debian package gnuplot-nox)",
      folder.plots().string());
}

}  // namespace espalier
