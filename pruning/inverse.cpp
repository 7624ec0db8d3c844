#include "pruning/inverse.h"

#include <algorithm>

#include "framework/core/parallel.h"
#include "framework/kernels/gemm.h"

namespace espalier {
namespace {

constexpr Index panel = 512;  // columns of G converted at a time: 400 rows of float64 are 1.6 MB

}  // namespace

void FisherInverse::column(Index q, std::span<double> out) const {
  require(q >= 0 && q < size(), "[inverse] column {} of {}", q, size());
  std::vector<double> unit(static_cast<std::size_t>(size()), 0.0);
  unit[static_cast<std::size_t>(q)] = 1;
  apply(unit, out);
}

std::vector<double> FisherInverse::submatrix(std::span<const Index> indices) const {
  std::vector<double> full(static_cast<std::size_t>(size())), result;
  for (const Index p : indices) {
    column(p, full);
    for (const Index q : indices) result.push_back(full[static_cast<std::size_t>(q)]);
  }
  return result;
}

std::vector<Range> cut_into_blocks(std::span<const Range> layers, Index size) {
  std::vector<Range> blocks;
  for (const Range layer : layers)
    for (Index begin = layer.begin; begin < layer.end; begin += size)
      blocks.push_back({begin, std::min(begin + size, layer.end)});
  return blocks;
}

void MaskedRows::load(Range columns, double* out) const {
  rows_.load(columns, out);
  for (Index j = 0; j < columns.size(); ++j)
    if (zeroed_[static_cast<std::size_t>(columns.begin + j)])
      for (Index m = 0; m < rows(); ++m) out[m * columns.size() + j] = 0;
}

void multiply_rows(const GradientRows& rows, Range columns, std::span<const double> v,
                   std::span<double> out) {
  // Partial sums of fixed panels, added in order: the same bits on any number of threads.
  const Index n = rows.rows(), panels = (columns.size() + panel - 1) / panel;
  std::vector<double> partial(static_cast<std::size_t>(panels * n));
  parallel_for(panels, 1, [&](Range chunk) {
    std::vector<double> g(static_cast<std::size_t>(n * panel));
    for (Index p = chunk.begin; p < chunk.end; ++p) {
      const Index first = p * panel, width = std::min(panel, columns.size() - first);
      rows.load({columns.begin + first, columns.begin + first + width}, g.data());
      kernels::gemv(kernels::Transpose::no, n, width, 1, g.data(), width, v.data() + first, 0,
                    partial.data() + p * n);
    }
  });
  std::fill(out.begin(), out.end(), 0.0);
  for (Index p = 0; p < panels; ++p)
    for (Index m = 0; m < n; ++m)
      out[static_cast<std::size_t>(m)] += partial[static_cast<std::size_t>(p * n + m)];
}

void multiply_columns(const GradientRows& rows, Range columns, std::span<const double> u,
                      std::span<double> out) {
  const Index n = rows.rows(), panels = (columns.size() + panel - 1) / panel;
  parallel_for(panels, 1, [&](Range chunk) {
    std::vector<double> g(static_cast<std::size_t>(n * panel));
    for (Index p = chunk.begin; p < chunk.end; ++p) {
      const Index first = p * panel, width = std::min(panel, columns.size() - first);
      rows.load({columns.begin + first, columns.begin + first + width}, g.data());
      kernels::gemv(kernels::Transpose::yes, n, width, 1, g.data(), width, u.data(), 0, out.data() + first);
    }
  });
}

}  // namespace espalier
