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

std::string column(const std::string& quantity, CurvatureKind kind) {
  return quantity + "." + std::string(name_of(kind));
}

std::vector<const MetricsRow*> cells(const std::vector<MetricsRow>& rows) {
  std::vector<const MetricsRow*> found;
  for (const MetricsRow& row : rows)
    if (text(row, "event") == "curvature") found.push_back(&row);
  return found;
}

/// The layers, in the order of their first rows.
std::vector<std::string> layers_of(const std::vector<const MetricsRow*>& rows) {
  std::vector<std::string> names;
  for (const MetricsRow* row : rows)
    if (std::find(names.begin(), names.end(), text(*row, "layer")) == names.end())
      names.push_back(text(*row, "layer"));
  return names;
}

/// The row of a layer with the most examples.
const MetricsRow& last_of(const std::vector<const MetricsRow*>& rows, const std::string& layer) {
  const MetricsRow* best = nullptr;
  for (const MetricsRow* row : rows)
    if (text(*row, "layer") == layer && (!best || number(*row, "examples") > number(*best, "examples")))
      best = row;
  return *best;
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
  if (!write_heat_maps(name, maps)) return "";
  return fmt::format("  {:<12} {}.png\n", "heat maps", name.string());
}

std::string draw_curvature_charts(const RunFolder& folder, const std::vector<MetricsRow>& rows,
                                  const CurvatureConfig& config) {
  const std::vector<const MetricsRow*> all = cells(rows);
  const std::vector<CurvatureKind> kinds = config.kinds();
  LineChart likeness{.title = fmt::format("Cosine between the {} and other matrices", title_of(kinds[0])),
                     .x_title = "examples",
                     .y_title = "cosine",
                     .log_x = true,
                     .y_high = 1};
  LineChart spectrum{
      .title = "Largest eigenvalues", .x_title = "rank", .y_title = "eigenvalue", .log_y = true};
  LineChart mass{.title = "Share of the squared norm within the block diagonal",
                 .x_title = "weights in a block",
                 .y_title = "share of the squared norm",
                 .log_x = true,
                 .y_low = 0,
                 .y_high = 1};
  for (const std::string& layer : layers_of(all)) {
    const MetricsRow& last = last_of(all, layer);
    for (std::size_t k = 0; k < kinds.size(); ++k) {
      const std::string label = fmt::format("{}: {}", layer, title_of(kinds[k]));
      Series cosines{.label = label, .style = Series::Style::line_points};
      for (const MetricsRow* row : all)
        if (text(*row, "layer") == layer && std::isfinite(number(*row, column("cosine", kinds[k])))) {
          cosines.x.push_back(number(*row, "examples"));
          cosines.y.push_back(number(*row, column("cosine", kinds[k])));
        }
      if (k > 0 && !cosines.x.empty()) likeness.series.push_back(cosines);
      // The exact true Fisher of a layer is its Hessian: one line for both.
      if (kinds[k] == CurvatureKind(FisherKind::exact) && k > 0 && kinds[0] == CurvatureKind(Hessian{}))
        continue;
      Series values{.label = label, .style = Series::Style::line_points}, shares = values;
      for (int i = 1; i <= config.eigenvalues; ++i)
        if (const double v = number(last, fmt::format("eigenvalue_{}.{}", i, name_of(kinds[k]))); v > 0) {
          values.x.push_back(i);
          values.y.push_back(v);
        }
      for (const int b : config.block_sizes)
        if (const double v = number(last, fmt::format("mass_{}.{}", b, name_of(kinds[k])));
            std::isfinite(v)) {
          shares.x.push_back(b);
          shares.y.push_back(v);
        }
      if (!values.x.empty()) spectrum.series.push_back(values);
      if (!shares.x.empty()) mass.series.push_back(shares);
    }
  }
  // gnuplot's own ends of a logarithmic axis are whole powers of ten, far from values of one size.
  for (const Series& s : spectrum.series)
    for (const double v : s.y) {
      spectrum.y_low = std::min(spectrum.y_low.value_or(v), v);
      spectrum.y_high = std::max(spectrum.y_high.value_or(v), v);
    }
  std::string lines;
  const auto draw = [&](const char* name, const LineChart& chart) {
    if (!chart.series.empty() && write_plot(folder.plots() / name, chart))
      lines += fmt::format("  {:<12} {}.png\n", name, (folder.plots() / name).string());
  };
  draw("likeness", likeness);
  draw("spectrum", spectrum);
  draw("mass", mass);
  if (!gnuplot_available())
    lines +=
        "  pictures     not drawn: gnuplot is not installed (Debian package gnuplot-nox); the scripts are "
        "in " +
        folder.plots().string() + "\n";
  return lines;
}

std::string curvature_table(const std::vector<MetricsRow>& rows, const CurvatureConfig& config) {
  const std::vector<CurvatureKind> kinds = config.kinds();
  std::vector<std::string> header{"layer", "weights", "examples"};
  for (std::size_t k = 1; k < kinds.size(); ++k)
    for (const char* quantity : {"cosine", "norm", "ranks"})
      header.push_back(fmt::format("{} {}", quantity, letter_of(kinds[k])));
  header.push_back("top eigenvalue");
  Table table(header);
  std::string before;
  for (const MetricsRow* row : cells(rows)) {
    if (!before.empty() && before != text(*row, "layer")) table.rule();
    before = text(*row, "layer");
    std::vector<std::string> line{before, format_count(static_cast<Index>(number(*row, "weights"))),
                                  format_count(static_cast<Index>(number(*row, "examples")))};
    for (std::size_t k = 1; k < kinds.size(); ++k)
      for (const char* quantity : {"cosine", "norm_ratio", "rank_correlation"})
        line.push_back(cell(number(*row, column(quantity, kinds[k]))));
    const double top = number(*row, column("eigenvalue_1", kinds[0]));
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
