#include "tools/run/plots.h"

#include "framework/io/plot.h"
#include "tools/run/rows.h"

namespace espalier {
namespace {

std::vector<Marker> pruning_markers(const std::vector<PruneRow>& steps) {
  std::vector<Marker> markers;
  for (const PruneRow& step : steps) {
    const auto epoch = static_cast<double>(step.epoch);
    if (!markers.empty() && markers.back().x == epoch) markers.pop_back();  // of sub-steps, the last
    markers.push_back({epoch, fmt::format("{:.0f} %", 100 * step.sparsity)});
  }
  return markers;
}

LineChart accuracy_chart(const std::vector<MetricsRow>& rows) {
  LineChart chart{.title = "Accuracy over training; pruning steps with the sparsity reached",
                  .x_title = "epochs",
                  .y_title = "accuracy [%]",
                  .markers = pruning_markers(rows_of<PruneRow>(rows))};
  Series train{.label = "training (augmented)"}, test{.label = "test", .style = Series::Style::line_points};
  const auto add = [](Series& to, std::int64_t epoch, double accuracy) {
    to.x.push_back(static_cast<double>(epoch));
    to.y.push_back(100 * accuracy);
  };
  for (const MetricsRow& row : rows) {
    if (const auto epoch = read_row<EpochRow>(row)) {
      add(train, epoch->epoch, epoch->train_accuracy);
      add(test, epoch->epoch, epoch->test_accuracy);
    }
    if (const auto step = read_row<PruneRow>(row)) add(test, step->epoch, step->test_accuracy);
  }
  chart.series = {train, test};
  return chart;
}

LineChart loss_chart(const std::vector<MetricsRow>& rows) {
  LineChart chart{.title = "Loss over training",
                  .x_title = "epochs",
                  .y_title = "cross-entropy [nats]",
                  .markers = pruning_markers(rows_of<PruneRow>(rows))};
  Series train{.label = "training (augmented)"}, test{.label = "test", .style = Series::Style::line_points};
  for (const EpochRow& row : rows_of<EpochRow>(rows)) {
    train.x.push_back(static_cast<double>(row.epoch));
    train.y.push_back(row.train_loss);
    test.x.push_back(static_cast<double>(row.epoch));
    test.y.push_back(row.test_loss);
  }
  chart.series = {train, test};
  return chart;
}

}  // namespace

std::string draw_plots(const RunFolder& folder, const std::vector<MetricsRow>& rows) {
  if (rows_of<EpochRow>(rows).empty()) return "";
  std::string lines;
  bool drawn = true;
  const auto draw = [&](const char* name, const LineChart& chart) {
    drawn = write_plot(folder.plots() / name, chart) && drawn;
    lines +=
        fmt::format("  {:<12} {}\n", "picture", (folder.plots() / (std::string(name) + ".png")).string());
  };
  draw("accuracy", accuracy_chart(rows));
  draw("loss", loss_chart(rows));
  if (drawn) return lines;
  return fmt::format(
      "  pictures     not drawn: {}; the scripts are in {} (run `gnuplot NAME.gp` there)\n",
      gnuplot_available() ? "gnuplot failed" : "gnuplot is not installed (Debian package gnuplot-nox)",
      folder.plots().string());
}

}  // namespace espalier
