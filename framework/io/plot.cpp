#include "framework/io/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "framework/io/plot_script.h"

namespace espalier {
namespace {

constexpr int width = 900, height = 540;

/// Style and colour of a series; series also differ in dashes or points, for print in grey.
std::string style_of(const Series& s, std::size_t i) {
  constexpr std::array dashes{"1", "(16,6)", "(5,5)", "(16,5,4,5)", "(9,4)"};
  const std::string line =
      fmt::format("linewidth 2 linecolor rgb '{}' dashtype {}", plot::color(i), dashes[i % dashes.size()]);
  const std::string points =
      fmt::format("pointtype {} pointsize 0.9", 5 + 2 * (i % 5));  // filled: square, circle, ...
  switch (s.style) {
    case Series::Style::line:
      return "lines " + line;
    case Series::Style::line_points:
      return fmt::format("linespoints {} {}", line, points);
    case Series::Style::points:
      return fmt::format("points linecolor rgb '{}' {}", plot::color(i), points);
  }
  return "lines";
}

}  // namespace

std::string gnuplot_script(const LineChart& chart, const std::string& png) {
  std::string text = plot::preamble(chart.title, png, width, height);
  text += plot::data_blocks(chart.series);
  text +=
      fmt::format("set xlabel {}\nset ylabel {}\n", plot::quote(chart.x_title), plot::quote(chart.y_title));
  text += "set format '%g'\n";
  if (chart.log_x) text += "set logscale x\n";
  if (chart.log_y) text += "set logscale y\n";
  plot::Interval x = plot::extent(chart.series, chart.log_x);
  for (const Marker& m : chart.markers) {
    if (!std::isfinite(m.x) || (chart.log_x && m.x <= 0)) continue;
    x = {std::min(x.low, m.x), std::max(x.high, m.x)};
  }
  if (x.high == x.low)
    x = chart.log_x ? plot::Interval{x.low / 2, x.high * 2} : plot::Interval{x.low - 1, x.high + 1};
  text += fmt::format("set xrange [{}:{}]\nset yrange [*:*]\n", x.low, x.high);
  text += "set offsets 0, 0, graph 0.03, graph 0.03\n";
  text += plot::marker_lines(chart.markers, x.low, x.high, chart.log_x, 810);
  text += chart.series.size() > 1 ? "set key below center horizontal samplen 3 height 0.7\n" : "unset key\n";
  text += "plot";
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    const Series& s = chart.series[i];
    text += fmt::format("{} \\\n  $points{} using 1:2 with {} title {}", i > 0 ? "," : "", i, style_of(s, i),
                        plot::quote(s.label));
  }
  return text + "\n";
}

bool write_plot(const std::filesystem::path& name, const LineChart& chart) {
  return write_plot(name, gnuplot_script(chart, name.filename().string() + ".png"));
}

}  // namespace espalier
