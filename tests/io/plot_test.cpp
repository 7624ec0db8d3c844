// Charts: a script that gnuplot draws without complaint, whatever the names and values in it.
#include "framework/io/plot.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "framework/io/atomic_file.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

using espalier::testing::TempFolder;

/// Where the charts of these tests go: a folder of one's own choice to look at them,
/// else one that is removed.
class Plot : public ::testing::Test {
 protected:
  std::filesystem::path at(const std::string& name) const {
    const char* chosen = std::getenv("ESPALIER_PLOT_DIR");
    return (chosen ? std::filesystem::path(chosen) : folder_.path()) / name;
  }
  /// Draws; checks that a PNG is there, or that gnuplot is not.
  template <class Chart>
  void draw(const std::string& name, const Chart& chart) const {
    const bool drawn = write_plot(at(name), chart);
    EXPECT_EQ(drawn, gnuplot_available()) << read_whole_file(at(name + ".gp"));
    EXPECT_TRUE(std::filesystem::exists(at(name + ".gp")));
    if (drawn) {
      EXPECT_EQ(read_whole_file(at(name + ".png")).substr(1, 3), "PNG");
    }
  }
  TempFolder folder_;
};

LineChart training_curves() {
  LineChart chart{.title = "cifarnet_woodtaylor: accuracy during gradual pruning",
                  .x_title = "epoch",
                  .y_title = "accuracy, %"};
  Series train{.label = "train_accuracy"},
      test{.label = "test_accuracy", .style = Series::Style::line_points};
  for (int e = 1; e <= 24; ++e) {
    train.x.push_back(e);
    train.y.push_back(95 - 40 * std::exp(-e / 5.0) - (e % 3 == 0 && e < 17 ? 2 : 0));
    test.x.push_back(e);
    test.y.push_back(91 - 35 * std::exp(-e / 4.0) - (e % 3 == 0 && e < 17 ? 4 : 0));
  }
  for (int e = 3; e <= 15; e += 3) chart.markers.push_back({static_cast<double>(e), "pruned"});
  chart.series = {train, test};
  return chart;
}

TEST_F(Plot, LinesWithMarkers) { draw("accuracy", training_curves()); }

TEST_F(Plot, MarkersTooCloseToBeReadSideBySideStandUpright) {
  LineChart chart = training_curves();
  chart.markers.clear();
  for (int e = 1; e <= 24; ++e)
    chart.markers.push_back({static_cast<double>(e), "step " + std::to_string(e)});
  const std::string script = gnuplot_script(chart, "a.png");
  EXPECT_NE(script.find("rotate by 90"), std::string::npos);
  EXPECT_EQ(gnuplot_script(training_curves(), "a.png").find("rotate by 90"), std::string::npos);
  draw("many_markers", chart);
}

TEST_F(Plot, ALongTitleIsSetSmallerAndCutOnlyWhereItCouldNoLongerBeRead) {
  LineChart chart = training_curves();
  const std::string before = "set title '" + chart.title + "' font 'Sans,13'";
  draw("short_title", chart);
  EXPECT_NE(read_whole_file(at("short_title.gp")).find(before), std::string::npos);
  chart.title = std::string(110, 'm');
  draw("long_title", chart);
  const std::string script = read_whole_file(at("long_title.gp"));
  EXPECT_NE(script.find("'" + chart.title + "' font 'Sans,11.4'"), std::string::npos)
      << script.substr(0, 900);
  chart.title = std::string(400, 'm');
  draw("endless_title", chart);
  EXPECT_NE(read_whole_file(at("endless_title.gp")).find("mmm...' font 'Sans,8'"), std::string::npos);
}

TEST_F(Plot, LogarithmicAxesSkipWhatHasNoLogarithm) {
  Series loss{.label = "loss_change",
              .x = {0, 1, 10, 100, 1000},
              .y = {1, 0.1, -1, 0.001, std::nan("")},
              .style = Series::Style::line_points};
  draw("log", LineChart{.title = "log-log",
                        .x_title = "examples",
                        .y_title = "error",
                        .series = {loss},
                        .log_x = true,
                        .log_y = true});
}

TEST_F(Plot, NamesCannotBreakOutOfTheScript) {
  const std::string wild = "it's a \"name\"\nEOD\nsystem('touch /tmp/owned') $HOME `id` \\ _x^2 {a} µ 100 %";
  LineChart lines = training_curves();
  lines.title = lines.x_title = lines.y_title = lines.series[0].label = wild;
  lines.markers[0].label = wild;
  draw("wild", lines);
  draw("it's a name", lines);
  EXPECT_FALSE(std::filesystem::exists("/tmp/owned"));
}

TEST_F(Plot, ConstantAndSinglePointsAreDrawn) {
  const Series constant{.label = "c", .x = {1, 2, 3}, .y = {5, 5, 5}},
      single{.label = "s", .x = {1}, .y = {0}, .style = Series::Style::points};
  draw("constant", LineChart{.series = {constant}});
  draw("single", LineChart{.series = {single}, .markers = {{1, "here"}}});
}

TEST_F(Plot, WithoutGnuplotTheScriptIsLeftAndNothingIsThrown) {
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", folder_.path().c_str(), 1);
  const bool available = gnuplot_available(), drawn = write_plot(folder_ / "a", training_curves());
  ::setenv("PATH", path.c_str(), 1);
  EXPECT_FALSE(available);
  EXPECT_FALSE(drawn);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "a.gp"));
}

TEST_F(Plot, AChartThatFailsDoesNotLeaveAnOldPicture) {
  folder_.write_text("a.png", "old");
  EXPECT_FALSE(write_plot(folder_ / "a", LineChart{})) << "there is nothing to draw";
  EXPECT_FALSE(std::filesystem::exists(folder_ / "a.png"));
}

}  // namespace
}  // namespace espalier
