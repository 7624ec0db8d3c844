// plot.h: line charts as PNG files, drawn by the gnuplot program. Beside NAME.png lies NAME.gp, a script with the
// data in it: change it and run `gnuplot NAME.gp` to restyle the chart. No drawing is done here.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace espalier {

/// Points (x[i], y[i]); those that are not finite, or not positive on a logarithmic axis, leave a gap.
struct Series {
  enum class Style { line, line_points, points };
  std::string label = {};  ///< in the legend
  std::vector<double> x = {}, y = {};
  Style style = Style::line;
};

/// A vertical line with a short text above the frame.
struct Marker {
  double x = 0;
  std::string label = {};
};

struct LineChart {
  std::string title = {}, x_title = {}, y_title = {};
  std::vector<Series> series = {};
  std::vector<Marker> markers = {};
  bool log_x = false, log_y = false;
};

/// The script that draws the chart into `png`, a file name relative to the script's folder.
std::string gnuplot_script(const LineChart& chart, const std::string& png);

/// Whether the program gnuplot is on the PATH (Debian: gnuplot-nox).
bool gnuplot_available();

/// Writes `name`.gp and runs gnuplot (without a shell) to make `name`.png; `name` has no extension. False if
/// there is no PNG afterwards: gnuplot is missing, failed, or took longer than 60 s. Throws Error(io) if the
/// script cannot be written.
bool write_plot(const std::filesystem::path& name, const std::string& script);

bool write_plot(const std::filesystem::path& name, const LineChart& chart);

}  // namespace espalier
