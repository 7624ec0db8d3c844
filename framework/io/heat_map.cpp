#include "framework/io/heat_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "framework/io/atomic_file.h"
#include "framework/io/plot.h"
#include "framework/io/plot_script.h"

namespace espalier {
namespace {

// Pixels. A panel is drawn at a whole number of pixels a cell where that fits.
constexpr int widest_panel = 560, left = 92, gap = 66, right = 130, top = 100, bottom = 64;

/// Labels of the colour bar: zero, the ends, and powers of ten (or halves, if linear) between.
std::string color_tics(const HeatMaps& maps) {
  const auto place = [&](double v) { return maps.linear > 0 ? std::asinh(v / maps.linear) : v; };
  const double end = place(maps.limit);
  std::string text = "'0' 0";
  const auto add = [&](double v) {
    for (const double sign : {-1.0, 1.0}) text += fmt::format(", '{:.2g}' {:.6g}", sign * v, sign * place(v));
  };
  add(maps.limit);
  if (maps.linear <= 0) {
    add(maps.limit / 2);
  } else {
    for (double v = std::pow(10, std::floor(std::log10(maps.limit))); place(v) > 0.12 * end; v /= 10)
      if (place(v) < 0.9 * end) add(v);
  }
  return text;
}

std::string script(const HeatMaps& maps, const std::string& stem) {
  const auto cells = static_cast<int>(maps.cells);
  const int zoom = std::max(1, widest_panel / std::max(cells, 1)), side = std::max(cells * zoom, 320);
  const int count = static_cast<int>(maps.panels.size());
  const int width = left + count * side + (count - 1) * gap + right, height = top + side + bottom;
  std::string text = plot::preamble("", stem + ".png", width, height);
  const double extent = static_cast<double>(maps.cells) * maps.per_cell;
  const double end = maps.linear > 0 ? std::asinh(maps.limit / maps.linear) : maps.limit;
  text += fmt::format("linear = {:.6g}\nlimit = {:.6g}\n", maps.linear, maps.limit);
  text += maps.linear > 0 ? "shade(v) = asinh((abs(v) > limit ? sgn(v) * limit : v) / linear)\n"
                          : "shade(v) = abs(v) > limit ? sgn(v) * limit : v\n";
  text += fmt::format("set cbrange [{:.6g}:{:.6g}]\n", -end, end);
  text +=
      "set palette defined (-1 '#053061', -0.75 '#2166ac', -0.5 '#4393c3', -0.25 '#a6cfe4', 0 '#ffffff', "
      "0.25 '#f8bfa4', 0.5 '#d6604d', 0.75 '#b2182b', 1 '#67001f')\n";
  text += fmt::format("set xrange [0:{0:g}]\nset yrange [{0:g}:0]\n", extent);
  text += "unset key\nunset grid\nset border 15\nset tics front\nset xtics autofreq\n";
  const double middle = 0.5 * (left + width - right) / width;
  text += fmt::format("set label 100 {} at screen {:.5f}, screen {:.5f} center font 'Sans,14'\n",
                      plot::quote(maps.title), middle, 1 - 22.0 / height);
  text += fmt::format(
      "set label 101 {} at screen {:.5f}, screen {:.5f} center font 'Sans,10' textcolor rgb '#606060'\n",
      plot::quote(maps.note), middle, 1 - 46.0 / height);
  text += fmt::format("set multiplot\nset bmargin at screen {:.5f}\nset tmargin at screen {:.5f}\n",
                      1.0 * bottom / height, 1.0 * (bottom + side) / height);
  text += fmt::format("set xlabel {}\n", plot::quote(maps.axis_title));
  for (int p = 0; p < count; ++p) {
    const int x = left + p * (side + gap);
    const bool last = p + 1 == count;
    text += fmt::format("set lmargin at screen {:.5f}\nset rmargin at screen {:.5f}\n", 1.0 * x / width,
                        1.0 * (x + side) / width);
    text += fmt::format("set title {} offset 0, -0.4 font 'Sans,12'\n", plot::quote(maps.panels[p].label));
    text += p == 0 ? fmt::format("set ylabel {}\n", plot::quote(maps.axis_title)) : "unset ylabel\n";
    if (last)
      text += fmt::format(
          "set colorbox vertical user origin screen {:.5f}, screen {:.5f} size screen {:.5f}, screen {:.5f}\n"
          "set cbtics ({})\nset cblabel {} offset 1, 0\n",
          1.0 * (x + side + 22) / width, 1.0 * bottom / height, 16.0 / width, 1.0 * side / height,
          color_tics(maps), plot::quote(maps.value_title));
    else
      text += "unset colorbox\n";
    text += fmt::format(
        "plot {} binary array=({},{}) skip={} format='%float' dx={:g} dy={:g} origin=({:g},{:g}) "
        "using (shade($1)) with image\n",
        plot::quote(stem + ".f32"), cells, cells,
        static_cast<std::size_t>(p) * sizeof(float) * static_cast<std::size_t>(maps.cells * maps.cells),
        maps.per_cell, maps.per_cell, 0.5 * maps.per_cell, 0.5 * maps.per_cell);
    if (p == 0) text += "unset label 100\nunset label 101\n";
  }
  return text + "unset multiplot\n";
}

}  // namespace

bool write_heat_maps(const std::filesystem::path& name, const HeatMaps& maps) {
  std::filesystem::path data = name;
  data += ".f32";
  AtomicFile file(data);
  for (const HeatMaps::Panel& panel : maps.panels) {
    require(static_cast<Index>(panel.values.size()) == maps.cells * maps.cells,
            "[heat map] panel {} has {} values for {} x {} cells", panel.label, panel.values.size(),
            maps.cells, maps.cells);
    std::vector<float> values(panel.values.begin(), panel.values.end());
    file.write(values.data(), values.size() * sizeof(float));
  }
  file.commit();
  return write_plot(name, script(maps, name.filename().string()));
}

}  // namespace espalier
