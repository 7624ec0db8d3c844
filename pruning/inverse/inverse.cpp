#include "pruning/inverse/inverse.h"

#include <algorithm>

#include "framework/core/parallel.h"
#include "framework/kernels/mixed.h"
#include "framework/kernels/scratch.h"

namespace espalier {
namespace {

constexpr Index panel = 512;  // columns of G loaded at a time: 400 rows of float64 are 1.6 MB

}  // namespace

void FisherInverse::column(Index q, std::span<double> out) const {
  require(q >= 0 && q < size(), "[inverse] column {} of {}", q, size());
  std::vector<double> unit(size(), 0.0);
  unit[q] = 1;
  apply(unit, out);
}

std::vector<double> FisherInverse::submatrix(std::span<const Index> indices) const {
  std::vector<double> full(size()), result;
  for (const Index p : indices) {
    column(p, full);
    for (const Index q : indices) result.push_back(full[q]);
  }
  return result;
}

void FisherInverse::submatrices(std::span<const std::vector<Index>> sets,
                                const SubmatrixVisitor& visit) const {
  for (std::size_t i = 0; i < sets.size(); ++i) visit(i, submatrix(sets[i]));
}

namespace {

struct BuiltAnew final : InverseFamily {
  BuiltAnew(const InverseSettings& s, const GradientRows& r, std::span<const Range> l)
      : settings(s), rows(r), layers(l) {}
  std::unique_ptr<FisherInverse> at(double damp) override { return settings.build(rows, layers, damp); }
  const InverseSettings& settings;
  const GradientRows& rows;
  std::span<const Range> layers;
};

}  // namespace

std::unique_ptr<InverseFamily> InverseSettings::family(const GradientRows& rows,
                                                       std::span<const Range> layers) const {
  return std::make_unique<BuiltAnew>(*this, rows, layers);
}

std::vector<Range> cut_into_blocks(std::span<const Range> layers, Index size) {
  std::vector<Range> blocks;
  for (const Range layer : layers)
    for (Index begin = layer.begin; begin < layer.end; begin += size)
      blocks.push_back({begin, std::min(begin + size, layer.end)});
  return blocks;
}

namespace {

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

}  // namespace

void multiply_rows(const GradientRows& rows, Range columns, std::span<const double> v,
                   std::span<double> out) {
  // Partial sums of fixed panels, added in order: the same bits on any number of threads.
  const Index n = rows.rows(), panels = (columns.size() + panel - 1) / panel;
  std::vector<double> partial(panels * n);
  parallel_for(panels, 1, [&](Range chunk) {
    for (Index p = chunk.begin; p < chunk.end; ++p) {
      const Index first = p * panel, width = std::min(panel, columns.size() - first);
      panel_product(rows, kernels::Transpose::no, {columns.begin + first, columns.begin + first + width},
                    v.data() + first, partial.data() + p * n);
    }
  });
  std::fill(out.begin(), out.end(), 0.0);
  for (Index p = 0; p < panels; ++p)
    for (Index m = 0; m < n; ++m) out[m] += partial[p * n + m];
}

void multiply_columns(const GradientRows& rows, Range columns, std::span<const double> u,
                      std::span<double> out) {
  const Index panels = (columns.size() + panel - 1) / panel;
  parallel_for(panels, 1, [&](Range chunk) {
    for (Index p = chunk.begin; p < chunk.end; ++p) {
      const Index first = p * panel, width = std::min(panel, columns.size() - first);
      std::fill_n(out.data() + first, width, 0.0);
      panel_product(rows, kernels::Transpose::yes, {columns.begin + first, columns.begin + first + width},
                    u.data(), out.data() + first);
    }
  });
}

}  // namespace espalier
