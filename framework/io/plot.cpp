#include "framework/io/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "framework/io/plot_script.h"
#include "framework/io/table.h"

namespace espalier {
namespace {

constexpr int width = 900, height = 540;

std::string range(const char* axis, std::optional<double> low, std::optional<double> high) {
  const auto end = [](std::optional<double> v) { return v ? fmt::format("{}", *v) : std::string("*"); };
  return fmt::format("set {}range [{}:{}]\n", axis, end(low), end(high));
}

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
    case Series::Style::steps:
      return "steps " + line;
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
  plot::Interval x = plot::extent(chart.series, true, chart.log_x);
  for (const Marker& m : chart.markers) {
    if (!std::isfinite(m.x) || (chart.log_x && m.x <= 0)) continue;
    x = {std::min(x.low, m.x), std::max(x.high, m.x)};
  }
  if (x.high == x.low)
    x = chart.log_x ? plot::Interval{x.low / 2, x.high * 2} : plot::Interval{x.low - 1, x.high + 1};
  text += range("x", x.low, x.high) + range("y", chart.y_low, chart.y_high);
  text += "set offsets 0, 0, graph 0.03, graph 0.03\n";
  const bool right =
      std::any_of(chart.series.begin(), chart.series.end(), [](const Series& s) { return s.right_axis; });
  if (right) {
    text += fmt::format("set y2label {}\nset y2tics\nset border 11\n", plot::quote(chart.right_title));
    text += range("y2", chart.right_low, chart.right_high);
  }
  text += plot::marker_lines(chart.markers, x.low, x.high, chart.log_x, right ? 740 : 810);
  text += chart.series.size() > 1 ? "set key below center horizontal samplen 3 height 0.7\n" : "unset key\n";
  text += "plot";
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    const Series& s = chart.series[i];
    text += fmt::format("{} \\\n  $points{} using 1:2{} with {} title {}", i > 0 ? "," : "", i,
                        s.right_axis ? " axes x1y2" : "", style_of(s, i),
                        plot::quote(s.right_axis ? s.label + " (right)" : s.label));
  }
  return text + "\n";
}

std::string gnuplot_script(const BarChart& chart, const std::string& png) {
  const int n = static_cast<int>(chart.bars.size());
  std::string text = plot::preamble(chart.title, png, width, std::max(height, 130 + 22 * n));
  double high = chart.high.value_or(0);
  std::size_t longest_note = 0;
  std::string tics;
  text += "# value, row, text at the end\n$bars << EOD\n";
  for (int i = 0; i < n; ++i) {
    const BarChart::Bar& bar = chart.bars[i];
    if (!chart.high && std::isfinite(bar.value)) high = std::max(high, bar.value);
    longest_note = std::max(longest_note, display_width(bar.note));
    std::string note = bar.note;
    std::replace_if(
        note.begin(), note.end(), [](char c) { return c == '"' || c == '\n' || c == '\\'; }, '\'');
    text += fmt::format("{} {} \"{}\"\n", std::isfinite(bar.value) ? fmt::format("{}", bar.value) : "NaN", i,
                        note);
    tics += fmt::format("{}{} {}", i > 0 ? ", " : "", plot::quote_tic(plot::shortened(bar.label, 40)), i);
  }
  text += "EOD\n";
  if (high <= 0) high = 1;
  const double end = high * (1.02 + 0.012 * static_cast<double>(longest_note));  // room for the texts
  text += fmt::format("set xrange [0:{}]\nset yrange [{}:-0.6]\n", end, n - 0.4);
  text +=
      fmt::format("set ytics ({}) scale 0\nset format x '%g'\nset xlabel {}\nset grid noytics\nunset key\n",
                  tics, plot::quote(chart.value_title));
  text += plot::marker_lines(chart.markers, 0, end, false, 750);
  text += fmt::format(
      "set style fill solid 1 noborder\nplot \\\n"
      "  $bars using ($1/2):2:($1/2):(0.36) with boxxyerror linecolor rgb '{}', \\\n"
      "  $bars using 1:2:3 with labels left offset 0.6, 0 font 'Sans,9' textcolor rgb '#404040'\n",
      plot::color(0));
  return text;
}

}  // namespace espalier
