#include "framework/io/plot_script.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "framework/io/table.h"

namespace espalier::plot {
namespace {

constexpr double character_width = 7, line_height = 15;  // pixels of the font set below, at 11 points
constexpr std::size_t longest_marker = 20;
constexpr double title_points = 13, smallest_title = 8, pixels_of_a_point = 0.7;  // a character's width

}  // namespace

std::string_view color(std::size_t i) {
  constexpr std::array<std::string_view, 7> colors{"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                                   "#E69F00", "#56B4E9", "#000000"};
  return colors[i % colors.size()];
}

std::string quote(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    const bool control = static_cast<unsigned char>(c) < 32 || c == 127;
    result += control ? ' ' : c;
    if (c == '\'') result += c;  // doubled inside single quotes
  }
  result += '\'';
  return result;
}

std::string shortened(std::string_view text, std::size_t columns) {
  if (display_width(text) <= columns) return std::string(text);
  return fmt::format("{}...", fit_width(text, columns - 3));
}

std::string preamble(std::string_view title, const std::string& png, int width, int height) {
  const std::string options =
      fmt::format("size {},{} noenhanced font 'Sans,11' background '#FFFFFF'", width, height);
  std::string text =
      "# Made by espalier. Change what you like, then run gnuplot on this file, in its folder.\n";
  text += fmt::format(
      "if (strstrt(GPVAL_TERMINALS, 'pngcairo') > 0) {{\n  set terminal pngcairo {0}\n}} else {{\n"
      "  set terminal png {0}\n}}\n",
      options);
  text += fmt::format("set output {}\n", quote(png));
  text +=
      "set encoding utf8\n"
      "set datafile missing 'NaN'\n"
      "set border 3 linewidth 1 linecolor rgb '#404040'\n"
      "set tics nomirror out scale 0.6 textcolor rgb '#404040'\n"
      "set grid linewidth 1 linecolor rgb '#E4E4E4' linetype 1\n";
  if (title.empty()) return text;
  // A long title is set smaller, and cut only where it could no longer be read.
  const double room = (width - 20) / pixels_of_a_point;
  const double points =
      std::clamp(room / static_cast<double>(display_width(title)), smallest_title, title_points);
  const auto columns = static_cast<std::size_t>(room / smallest_title);
  return text + fmt::format("set title {} font 'Sans,{:.3g}'\n", quote(shortened(title, columns)), points);
}

std::string data_blocks(std::span<const Series> series) {
  std::string text;
  for (std::size_t s = 0; s < series.size(); ++s) {
    text += fmt::format("$points{} << EOD\n", s);
    for (std::size_t i = 0; i < std::min(series[s].x.size(), series[s].y.size()); ++i) {
      const double x = series[s].x[i], y = series[s].y[i];
      text += std::isfinite(x) && std::isfinite(y) ? fmt::format("{} {}\n", x, y) : std::string("NaN NaN\n");
    }
    text += "EOD\n";
  }
  return text;
}

std::string marker_lines(std::span<const Marker> markers, double low, double high, bool log_x,
                         double pixels) {
  if (markers.empty()) return "";
  const auto scale = [&](double x) { return log_x ? std::log(x) : x; };
  const double per_unit = high > low ? pixels / (scale(high) - scale(low)) : 0;
  std::size_t longest = 0;
  double closest = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < markers.size(); ++i) {
    longest = std::max(longest, std::min(display_width(markers[i].label), longest_marker));
    if (i > 0)
      closest = std::min(closest, std::abs(scale(markers[i].x) - scale(markers[i - 1].x)) * per_unit);
  }
  const double width = static_cast<double>(longest) * character_width;
  const bool upright = width + character_width > closest;
  const double needed = upright ? line_height : width + character_width;

  std::string text;
  double previous = -std::numeric_limits<double>::infinity();
  for (const Marker& m : markers) {
    if (!std::isfinite(m.x) || (log_x && m.x <= 0)) continue;
    text += fmt::format(
        "set arrow from first {0}, graph 0 to first {0}, graph 1 nohead back "
        "linecolor rgb '#B0B0B0'\n",
        m.x);
    const double at = (scale(m.x) - scale(low)) * per_unit;
    if (m.label.empty() || at - previous < needed) continue;
    previous = at;
    text += fmt::format(
        "set label {} at first {}, graph 1 {} offset 0, 0.5 font 'Sans,9' textcolor rgb '#606060'\n",
        quote(shortened(m.label, longest_marker)), m.x, upright ? "left rotate by 90" : "center");
  }
  // The title, if any, stands above the texts.
  const double lines = (upright ? width * 0.85 / line_height : 1) + 0.5;
  return text + fmt::format("set title offset 0, {0:.1f}\nset tmargin {1:.1f}\n", lines, lines + 3);
}

Interval extent(std::span<const Series> series, bool log) {
  Interval e{std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()};
  for (const Series& s : series)
    for (const double v : s.x) {
      if (!std::isfinite(v) || (log && v <= 0)) continue;
      e.low = std::min(e.low, v);
      e.high = std::max(e.high, v);
    }
  if (e.low > e.high) return {log ? 0.1 : 0.0, 1};
  return e;
}

}  // namespace espalier::plot
