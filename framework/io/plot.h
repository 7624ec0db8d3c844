// plot.h: charts as PNG files, drawn by the gnuplot program. Beside NAME.png lies NAME.gp, a script with the
// data in it: change it and run `gnuplot NAME.gp` to restyle the chart. No drawing is done here.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace espalier {

/// Points (x[i], y[i]); those that are not finite, or not positive on a logarithmic axis, leave a gap.
struct Series {
  enum class Style { line, line_points, steps, points };
  std::string label = {};  ///< in the legend
  std::vector<double> x = {}, y = {};
  Style style = Style::line;
  bool right_axis = false;  ///< LineChart only: measured on the axis at the right
  /// ScatterChart only: a short text beside each point, left out where it would not fit.
  std::vector<std::string> notes = {};
};

/// A vertical line with a short text above the frame.
struct Marker {
  double x = 0;
  std::string label = {};
};

struct LineChart {
  std::string title = {}, x_title = {}, y_title = {}, right_title = {};
  std::vector<Series> series = {};
  std::vector<Marker> markers = {};
  bool log_x = false, log_y = false;
  /// Ends of the left and right axis; those not given follow the data.
  std::optional<double> y_low = {}, y_high = {}, right_low = {}, right_high = {};
};

/// Horizontal bars from the top downwards; the picture grows with their number.
struct BarChart {
  struct Bar {
    std::string label = {};
    double value = 0;
    std::string note = {};  ///< at the end of the bar
  };
  std::string title = {}, value_title = {};
  std::vector<Bar> bars = {};
  std::vector<Marker> markers = {};  ///< at values
  std::optional<double> high = {};   ///< end of the axis of values; else from the data
};

/// Points in a square with the line y = x. Both axes are the same and logarithmic; if a value is zero or
/// negative, they are linear near zero and logarithmic away from it in both directions.
struct ScatterChart {
  std::string title = {}, x_title = {}, y_title = {};
  std::vector<Series> series = {};
};

/// The script that draws the chart into `png`, a file name relative to the script's folder.
std::string gnuplot_script(const LineChart& chart, const std::string& png);
std::string gnuplot_script(const BarChart& chart, const std::string& png);
std::string gnuplot_script(const ScatterChart& chart, const std::string& png);

/// Whether the program gnuplot is on the PATH (Debian: gnuplot-nox).
bool gnuplot_available();

/// Writes `name`.gp and runs gnuplot (without a shell) to make `name`.png; `name` has no extension. False if
/// there is no PNG afterwards: gnuplot is missing, failed, or took longer than 60 s. Throws Error(io) if the
/// script cannot be written.
bool write_plot(const std::filesystem::path& name, const std::string& script);

template <class Chart>
bool write_plot(const std::filesystem::path& name, const Chart& chart) {
  return write_plot(name, gnuplot_script(chart, name.filename().string() + ".png"));
}

}  // namespace espalier
