#include "tools/curvature/curvature_report.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "framework/io/heat_map.h"
#include "framework/io/plot.h"
#include "framework/io/progress.h"
#include "framework/io/table.h"

namespace espalier {
namespace {

constexpr Index most_cells = 560;  // rows and columns of a picture; larger matrices are averaged

/// The value under a name; NaN: none.
double value_of(const Named<double>& values, const std::string& name) {
  const auto found =
      std::find_if(values.begin(), values.end(), [&](const auto& v) { return v.first == name; });
  return found == values.end() ? NAN : found->second;
}

/// Of a column: H(essian), T(rue), M(onte Carlo), E(mpirical), C(entred).
char letter_of(CurvatureKind kind) { return static_cast<char>(std::toupper(name_of(kind)[0])); }

std::string cell(double v, int digits = 3) {
  return std::isfinite(v) ? fmt::format("{:.{}f}", v, digits) : "-";
}

}  // namespace

std::string title_of(CurvatureKind kind) {
  if (std::holds_alternative<Hessian>(kind)) return "Hessian";
  switch (std::get<FisherKind>(kind)) {
    case FisherKind::exact:
      return "true Fisher (exact)";
    case FisherKind::sampled:
      return "true Fisher (Monte Carlo)";
    case FisherKind::empirical:
      return "empirical Fisher";
    case FisherKind::centred:
      return "covariance of the gradients";
  }
  return "";
}

std::string draw_heat_maps(const std::filesystem::path& name, const std::string& title, CurvatureStudy& study,
                           const CurvatureConfig& config) {
  const Index factor = (study.size() + most_cells - 1) / most_cells;
  HeatMaps maps{.title = title, .per_cell = static_cast<double>(factor)};
  std::vector<double> magnitudes;
  for (const CurvatureKind kind : config.kinds()) {
    SquareMatrix m = reduced(smoothed(study.block(kind), config.smoothing), factor);
    maps.cells = m.size;
    for (const double v : m.values) magnitudes.push_back(std::abs(v));
    maps.panels.push_back({title_of(kind), std::move(m.values)});
  }
  // One weight may dwarf all others: the scale ends where one entry in a thousand lies beyond.
  const auto end =
      magnitudes.begin() + static_cast<std::ptrdiff_t>(0.999 * static_cast<double>(magnitudes.size() - 1));
  std::nth_element(magnitudes.begin(), end, magnitudes.end());
  maps.limit = *end;
  if (maps.limit <= 0) maps.limit = *std::max_element(magnitudes.begin(), magnitudes.end());
  if (maps.limit <= 0) maps.limit = 1;
  maps.linear = 0.03 * maps.limit;
  maps.note = fmt::format(
      "one colour scale, linear within {:.1g}, logarithmic beyond; the darkest colours: 1 entry in 1,000 is "
      "larger{}{}",
      maps.linear,
      config.smoothing > 0 ? fmt::format("; smoothed, sigma {:g} weights", config.smoothing) : "",
      factor > 1 ? fmt::format("; a pixel is the mean of {0} x {0} entries", factor) : "");
  maps.axis_title = "weight";
  maps.value_title = "second derivative of the loss";
  if (write_heat_maps(name, maps)) return fmt::format("  {:<12} {}.png\n", "heat maps", name.string());
  return fmt::format(
      "  {:<12} not drawn: {}; run `gnuplot {}.gp`\n", "heat maps",
      gnuplot_available() ? "gnuplot failed" : "gnuplot is not installed (Debian package gnuplot-nox)",
      name.string());
}

std::string curvature_table(const std::vector<CurvatureRow>& rows, const CurvatureConfig& config) {
  const std::vector<CurvatureKind> kinds = config.kinds();
  std::vector<std::string> header{"layer", "weights", "examples"};
  for (std::size_t k = 1; k < kinds.size(); ++k)
    for (const char* quantity : {"cosine", "norm", "ranks"})
      header.push_back(fmt::format("{} {}", quantity, letter_of(kinds[k])));
  header.push_back("top eigenvalue");
  Table table(header);
  std::string before;
  for (const CurvatureRow& row : rows) {
    if (!before.empty() && before != row.layer) table.rule();
    before = row.layer;
    std::vector<std::string> line{before, format_count(row.weights), format_count(row.examples)};
    for (std::size_t k = 1; k < kinds.size(); ++k)
      for (const Named<double>* quantity : {&row.cosine, &row.norm_ratio, &row.rank_correlation})
        line.push_back(cell(value_of(*quantity, std::string(name_of(kinds[k])))));
    const double top = value_of(row.eigenvalue, fmt::format("1.{}", name_of(kinds[0])));
    line.push_back(std::isfinite(top) ? fmt::format("{:.4g}", top) : "-");
    table.add(line);
  }
  std::string legend;
  for (std::size_t k = 1; k < kinds.size(); ++k)
    legend += fmt::format("{}{}: {}", k > 1 ? ", " : "", letter_of(kinds[k]), title_of(kinds[k]));
  return table.str() +
         (legend.empty()
              ? ""
              : fmt::format("{}. Each against the {}: cosine of the matrices, ratio of their norms, rank "
                            "correlation of their diagonals.\n",
                            legend, title_of(kinds[0])));
}

}  // namespace espalier
