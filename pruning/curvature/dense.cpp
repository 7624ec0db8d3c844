#include "pruning/curvature/dense.h"

#include <algorithm>

#include "framework/kernels/gemm.h"

namespace espalier {
namespace {

constexpr Index widest_tile = 384;  // a float32 tile of the result stays in the second-level cache
constexpr Index column_panel = 1024;

Index tile_of(Index size) { return std::clamp((size + 7) / 8, Index{32}, widest_tile); }

}  // namespace

void BlockSum::add(const RowPanel& panel) {
  const Index d = sum_.size, side = tile_of(d), across = (d + side - 1) / side;
  parallel_for(across * (across + 1) / 2, 1, [&](Range chunk) {
    std::vector<Real> tile(side * side);
    for (Index t = chunk.begin; t < chunk.end; ++t) {
      Index i = 0, j = t;  // the t-th tile of the lower triangle, row by row
      while (j > i) j -= ++i;
      const Index r = i * side, c = j * side, h = std::min(side, d - r), w = std::min(side, d - c);
      kernels::gemm(kernels::Transpose::yes, kernels::Transpose::no, h, w, panel.count, Real(1),
                    panel.values + r, d, panel.values + c, d, Real(0), tile.data(), w);
      for (Index a = 0; a < h; ++a) {
        double* out = &sum_(r + a, c);
        for (Index b = 0; b < w; ++b) out[b] += static_cast<double>(tile[a * w + b]);
      }
    }
  });
  examples_ += panel.examples.size();
}

SquareMatrix BlockSum::mean() const {
  SquareMatrix m(sum_.size);
  const double share = examples_ > 0 ? 1 / static_cast<double>(examples_) : 0;
  constexpr Index block = 64;  // by blocks, for the transposed reads
  parallel_for(m.size, block, [&](Range rows) {
    for (Index j0 = 0; j0 < m.size; j0 += block)
      for (Index i = rows.begin; i < rows.end; ++i)
        for (Index j = j0; j < std::min(j0 + block, m.size); ++j)
          m(i, j) = share * (j <= i ? sum_(i, j) : sum_(j, i));
  });
  return m;
}

void DiagonalSum::add(const RowPanel& panel) {
  const auto d = static_cast<Index>(sum_.size());
  parallel_for(d, column_panel, [&](Range r) {
    for (Index m = 0; m < panel.count; ++m)
      for (Index j = r.begin; j < r.end; ++j) {
        const auto v = static_cast<double>(panel.values[m * d + j]);
        sum_[j] += v * v;
      }
  });
  examples_ += panel.examples.size();
}

std::vector<double> DiagonalSum::mean() const {
  std::vector<double> m = sum_;
  for (double& v : m) v /= static_cast<double>(std::max<Index>(examples_, 1));
  return m;
}

}  // namespace espalier
