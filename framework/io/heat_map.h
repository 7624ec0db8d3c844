// heat_map.h: matrices side by side as one PNG with one colour scale, symmetric about zero, drawn by gnuplot.
// Beside NAME.png lie NAME.gp and NAME.f32, the script and its data (float32, row-major, panel after panel).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "framework/core/real.h"

namespace espalier {

struct HeatMaps {
  struct Panel {
    std::string label = {};
    std::vector<double> values = {};  ///< [cells, cells], row-major
  };
  std::string title = {}, note = {};  ///< the note stands below the title, smaller
  std::string axis_title = {}, value_title = {};
  Index cells = 0;      ///< rows and columns of each panel
  double per_cell = 1;  ///< extent of a cell on the axes
  std::vector<Panel> panels = {};
  /// Blue is -limit, white 0, red +limit; between, colours follow asinh(value / linear), which is linear for
  /// |value| << linear and logarithmic beyond; `linear` 0: linear all over.
  double limit = 1, linear = 0;
};

/// Writes the files; `name` has no extension.
/// False if there is no PNG afterwards (see write_plot()). Throws Error(io).
bool write_heat_maps(const std::filesystem::path& name, const HeatMaps& maps);

}  // namespace espalier
