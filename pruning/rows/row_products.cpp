#include "pruning/rows/row_products.h"

#include <algorithm>

#include "framework/core/parallel.h"
#include "framework/kernels/mixed.h"
#include "framework/kernels/scratch.h"

namespace espalier {
namespace {

constexpr Index panel = 512;  // columns of G loaded at a time: 400 rows of float64 are 1.6 MB

/// Adds op(G of one panel) x to y.
void panel_product(const GradientRows& rows, kernels::Transpose t, Range columns, const double* x,
                   double* y) {
  const Index n = rows.rows(), width = columns.size();
  if (rows.single()) {
    kernels::Scratch<float> g(n * width);
    rows.load(columns, g.data());
    kernels::mixed_gemv(t, n, width, g.data(), width, x, y);
  } else {
    kernels::Scratch<double> g(n * width);
    rows.load(columns, g.data());
    kernels::gemv(t, n, width, 1, g.data(), width, x, 1, y);
  }
}

/// Adds the panel's sums of squares to `sums`.
void add_panel_squares(const GradientRows& rows, Range columns, double* sums) {
  const Index n = rows.rows(), width = columns.size();
  if (rows.single()) {
    kernels::Scratch<float> g(n * width);
    rows.load(columns, g.data());
    kernels::add_column_squares(n, width, g.data(), width, sums);
  } else {
    kernels::Scratch<double> g(n * width);
    rows.load(columns, g.data());
    for (Index m = 0; m < n; ++m)
      for (Index j = 0; j < width; ++j) sums[j] += g[m * width + j] * g[m * width + j];
  }
}

/// use(p, first, width) for the panels p of `columns`, side by side; `first` counts from columns.begin.
template <class Use>
void for_panels(Range columns, Use use) {
  parallel_for((columns.size() + panel - 1) / panel, 1, [&](Range chunk) {
    for (Index p = chunk.begin; p < chunk.end; ++p)
      use(p, p * panel, std::min(panel, columns.size() - p * panel));
  });
}

}  // namespace

void multiply_rows(const GradientRows& rows, Range columns, std::span<const double> v,
                   std::span<double> out) {
  // Partial sums of fixed panels, added in order.
  const Index n = rows.rows(), panels = (columns.size() + panel - 1) / panel;
  std::vector<double> partial(panels * n);
  for_panels(columns, [&](Index p, Index first, Index width) {
    panel_product(rows, kernels::Transpose::no, {columns.begin + first, columns.begin + first + width},
                  v.data() + first, partial.data() + p * n);
  });
  std::fill(out.begin(), out.end(), 0.0);
  for (Index p = 0; p < panels; ++p)
    for (Index m = 0; m < n; ++m) out[m] += partial[p * n + m];
}

void multiply_columns(const GradientRows& rows, Range columns, std::span<const double> u,
                      std::span<double> out) {
  for_panels(columns, [&](Index, Index first, Index width) {
    std::fill_n(out.data() + first, width, 0.0);
    panel_product(rows, kernels::Transpose::yes, {columns.begin + first, columns.begin + first + width},
                  u.data(), out.data() + first);
  });
}

std::vector<double> column_squares(const GradientRows& rows, Range columns) {
  std::vector<double> sums(columns.size(), 0.0);
  for_panels(columns, [&](Index, Index first, Index width) {
    add_panel_squares(rows, {columns.begin + first, columns.begin + first + width}, sums.data() + first);
  });
  return sums;
}

std::vector<double> fisher_diagonal(const GradientRows& rows) {
  std::vector<double> diagonal = column_squares(rows, {0, rows.cols()});
  for (double& f : diagonal) f = rows.rows() ? f / static_cast<double>(rows.rows()) : 0;
  return diagonal;
}

}  // namespace espalier
