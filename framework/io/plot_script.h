// plot_script.h: what the scripts of all charts have in common. Internal to framework/io.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "framework/io/plot.h"

namespace espalier::plot {

/// Okabe and Ito's colours, which people with any kind of colour blindness can tell apart, without the yellow
/// that is too light for lines on white. `i` counts from 0 and wraps around.
std::string_view color(std::size_t i);

/// A gnuplot string; control characters become blanks.
std::string quote(std::string_view text);

/// At most `columns` columns wide, with "..." for the rest.
std::string shortened(std::string_view text, std::size_t columns);

/// Terminal, output, fonts, frame, grid and title; `width` and `height` in pixels.
std::string preamble(std::string_view title, const std::string& png, int width, int height);

/// $points0, $points1, ...: one data block a series.
std::string data_blocks(std::span<const Series> series);

/// Lines and texts of `markers` on an x axis from `low` to `high` that is `pixels` wide, and the upper margin
/// they need. Of texts that would overlap the first is drawn.
std::string marker_lines(std::span<const Marker> markers, double low, double high, bool log_x, double pixels);

/// The least and the largest finite x (positive ones only if `log`); {0, 1} if there is none.
struct Interval {
  double low = 0, high = 1;
};
Interval extent(std::span<const Series> series, bool log);

}  // namespace espalier::plot
