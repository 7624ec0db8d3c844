// plot_scatter.cpp: the square chart with y = x, whose axes are logarithmic in both directions from zero.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "framework/io/plot.h"
#include "framework/io/plot_script.h"
#include "framework/io/table.h"

namespace espalier {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr int width = 900, height = 540;
constexpr double side = 410, left = 160, bottom = 85;  // pixels of the square

/// The scale of both axes: v -> sign(v) log10(1 + |v| / linear). `linear` is where it turns
/// from linear to logarithmic.
struct Scale {
  double linear, low, high;  // low and high: ends of the axes, on the scale
  double operator()(double v) const { return std::copysign(std::log10(1 + std::abs(v) / linear), v); }
};

Scale scale_for(const std::vector<Series>& series) {
  double smallest = infinity, largest = 0;
  bool negative = false, zero = false;
  for (const Series& s : series)
    for (std::size_t i = 0; i < std::min(s.x.size(), s.y.size()); ++i) {
      if (!std::isfinite(s.x[i]) || !std::isfinite(s.y[i])) continue;
      for (const double v : {s.x[i], s.y[i]}) {
        negative |= v < 0;
        zero |= v == 0;
        if (v != 0) smallest = std::min(smallest, std::abs(v));
        largest = std::max(largest, std::abs(v));
      }
    }
  if (largest == 0) smallest = largest = 1;
  // At most five decades: smaller values are near enough to zero to lie on it.
  const double floor = std::max(smallest, largest * 1e-5);
  // With positive values alone the linear part lies far below them,
  // so the axes are logarithmic for practical purposes.
  Scale scale{std::pow(10, std::floor(std::log10(floor))) * (negative || zero ? 1 : 1e-3), 0, 0};
  double low = infinity, high = -infinity;
  for (const Series& s : series)
    for (std::size_t i = 0; i < std::min(s.x.size(), s.y.size()); ++i)
      for (const double v : {s.x[i], s.y[i]}) {
        if (!std::isfinite(v)) continue;
        low = std::min(low, scale(v));
        high = std::max(high, scale(v));
      }
  if (low > high) low = 0, high = 1;
  const double margin = std::max(0.06 * (high - low), 0.05);
  scale.low = low - margin;
  scale.high = high + margin;
  return scale;
}

/// Round values inside the axes, on the scale: powers of ten (every second, third, ... where they are many),
/// and 2 and 5 times these where they are few.
std::string tics(const Scale& scale) {
  struct Tic {
    double at;
    std::string label;
  };
  const auto collect = [&](std::initializer_list<int> factors, int step) {
    std::vector<Tic> found;
    const double closest = 20 / side * (scale.high - scale.low);  // to zero, of another label
    const auto add = [&](double v) {
      const double at = scale(v);
      if (at < scale.low || at > scale.high || (v != 0 && scale.low < 0 && std::abs(at) < closest)) return;
      found.push_back({at, fmt::format("{:g}", v)});
    };
    add(0);
    const int first = static_cast<int>(std::lround(std::log10(scale.linear)));
    for (int k = first; k < first + 12; ++k) {
      if ((k - first) % step != 0) continue;
      for (const int f : factors)
        for (const double sign : {-1.0, 1.0}) add(sign * f * std::pow(10, k));
    }
    return found;
  };
  std::vector<Tic> found = collect({1, 2, 5}, 1);
  for (int step = 1; found.size() > 9; ++step) found = collect({1}, step);
  std::string text;
  for (const Tic& t : found)
    text += fmt::format("{}{} {:.6g}", text.empty() ? "" : ", ", plot::quote(t.label), t.at);
  return text;
}

/// Texts beside points, to the right or the left of them,
/// where neither another text nor a point is in the way.
std::string notes(const std::vector<Series>& series, const Scale& scale) {
  struct Box {
    double left, right, bottom, top;
    bool meets(const Box& o) const {
      return left < o.right && o.left < right && bottom < o.top && o.bottom < top;
    }
  };
  const double per_unit = side / (scale.high - scale.low);
  const auto pixel = [&](double v) { return (scale(v) - scale.low) * per_unit; };
  std::vector<Box> taken;
  for (const Series& s : series)
    for (std::size_t i = 0; i < std::min(s.x.size(), s.y.size()); ++i)
      if (std::isfinite(s.x[i]) && std::isfinite(s.y[i]))
        taken.push_back({pixel(s.x[i]) - 4, pixel(s.x[i]) + 4, pixel(s.y[i]) - 4, pixel(s.y[i]) + 4});
  std::string text;
  for (const Series& s : series)
    for (std::size_t i = 0; i < std::min({s.x.size(), s.y.size(), s.notes.size()}); ++i) {
      if (!std::isfinite(s.x[i]) || !std::isfinite(s.y[i]) || s.notes[i].empty()) continue;
      const double x = pixel(s.x[i]), y = pixel(s.y[i]),
                   w = 6.5 * static_cast<double>(display_width(s.notes[i]));
      const bool above = y > x;  // the line y = x: the text goes to the other side of the point
      for (const bool right : {!above, above}) {
        const double middle = right ? y - 5 : y + 5;
        const Box box = right ? Box{x + 5, x + 8 + w, middle - 6, middle + 6}
                              : Box{x - 8 - w, x - 5, middle - 6, middle + 6};
        if (box.left < 8 || box.right > side) continue;
        if (std::any_of(taken.begin(), taken.end(), [&](const Box& b) { return b.meets(box); })) continue;
        taken.push_back(box);
        text += fmt::format("set label {} at {:.6g}, {:.6g} {} front font 'Sans,9' textcolor rgb '#404040'\n",
                            plot::quote(s.notes[i]), scale(s.x[i]), scale(s.y[i]),
                            right ? "left offset 0.9, -0.35" : "right offset -0.9, 0.35");
        break;
      }
    }
  return text;
}

}  // namespace

std::string gnuplot_script(const ScatterChart& chart, const std::string& png) {
  const Scale scale = scale_for(chart.series);
  std::string text = plot::preamble(chart.title, png, width, height);
  text += plot::data_blocks(chart.series);
  text += fmt::format(
      "# Both axes: linear near zero, logarithmic beyond {0:g} in both directions.\n"
      "scale(v) = sgn(v) * log10(1 + abs(v) / {0:g})\n",
      scale.linear);
  text +=
      fmt::format("set xlabel {}\nset ylabel {}\n", plot::quote(chart.x_title), plot::quote(chart.y_title));
  text += fmt::format("set xrange [{0:.6g}:{1:.6g}]\nset yrange [{0:.6g}:{1:.6g}]\n", scale.low, scale.high);
  text += fmt::format("set xtics ({0}) rotate by 45 right\nset ytics ({0})\n", tics(scale));
  text += fmt::format("set lmargin at screen {:.4f}\nset rmargin at screen {:.4f}\n", left / width,
                      (left + side) / width);
  text += fmt::format("set bmargin at screen {:.4f}\nset tmargin at screen {:.4f}\n", bottom / height,
                      (bottom + side) / height);
  text +=
      fmt::format("set key at screen {:.4f}, graph 1 left top vertical Left reverse samplen 2 spacing 1.4\n",
                  (left + side + 25) / width);
  text += notes(chart.series, scale);
  text += "plot x with lines linewidth 1.5 dashtype (6,4) linecolor rgb '#808080' title 'y = x'";
  for (std::size_t i = 0; i < chart.series.size(); ++i)
    text += fmt::format(
        ", \\\n  $points{} using (scale($1)):(scale($2)) with points pointtype {} pointsize 1.1 "
        "linecolor rgb '{}' title {}",
        i, 5 + 2 * (i % 5), plot::color(i), plot::quote(chart.series[i].label));
  return text + "\n";
}

}  // namespace espalier
