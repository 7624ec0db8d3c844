// primal_form.cpp: blocks with no more live columns than there are gradients: F itself, c x c, in float64.
#include <algorithm>

#include "framework/core/parallel.h"
#include "framework/kernels/gemm.h"
#include "pruning/inverse/block_forms.h"

namespace espalier {
namespace {

using kernels::Scratch;
using kernels::Transpose;
constexpr Index panel = 192;  // columns of L^-1 at a time

class PrimalForm final : public BlockForm {
 public:
  PrimalForm(LiveColumns columns, double damp) : columns_(std::move(columns)), damp_(damp) {
    const Index n = columns_.rows().rows(), c = columns_.size();
    Scratch<double> f(c * c);
    {
      Scratch<double> g(n * c), transposed(c * n);
      columns_.load(0, c, g.data());
      for (Index j0 = 0; j0 < c; j0 += 64)  // by blocks, for the cache
        for (Index m = 0; m < n; ++m)
          for (Index j = j0; j < std::min(j0 + 64, c); ++j) transposed[j * n + m] = g[m * c + j];
      kernels::syrk(c, n, 1 / static_cast<double>(n), transposed.data(), n, 0, f.data(), c);
    }
    for (Index i = 0; i < c; ++i) f[i * c + i] += damp;
    if (const int minor = kernels::cholesky(c, f.data(), c); minor != 0)
      fail_not_positive_definite(columns_, damp, minor, c);
    factor_ = packed_triangle<double>(c, f.data());
  }

  /// F^-1 = L^-T L^-1, so [F^-1]_qq is the squared norm of column q of L^-1, which is zero above row q.
  void diagonal(std::span<double> out) const override {
    const Index c = columns_.size();
    Scratch<double> l(c * c);
    unpack_triangle(c, factor_, l.data());
    parallel_for(c, panel, [&](Range r) {
      const Index width = r.size(), below = c - r.begin;
      Scratch<double> x(below * width);
      std::fill_n(x.data(), below * width, 0.0);
      for (Index j = 0; j < width; ++j) x[j * width + j] = 1;
      kernels::triangular_solve(Transpose::no, below, width, l.data() + r.begin * (c + 1), c, x.data(),
                                width);
      std::fill_n(out.data() + r.begin, width, 0.0);
      for (Index i = 0; i < below; ++i)
        for (Index j = 0; j < width; ++j) out[r.begin + j] += x[i * width + j] * x[i * width + j];
    });
  }

  void apply(std::span<const double> v, std::span<double> out) const override {
    const Index n = columns_.rows().rows(), c = columns_.size();
    Scratch<double> l(c * c), g(n * c);
    unpack_triangle(c, factor_, l.data());
    columns_.load(0, c, g.data());
    const auto solve = [&](std::vector<double>& x) {
      kernels::triangular_solve(Transpose::no, c, 1, l.data(), c, x.data(), 1);
      kernels::triangular_solve(Transpose::yes, c, 1, l.data(), c, x.data(), 1);
    };
    std::vector<double> x(v.begin(), v.end()), residual(v.begin(), v.end()),
        projected(static_cast<std::size_t>(n));
    solve(x);
    // One step of refinement against G itself.
    kernels::gemv(Transpose::no, n, c, 1, g.data(), c, x.data(), 0, projected.data());
    for (std::size_t j = 0; j < x.size(); ++j) residual[j] -= damp_ * x[j];
    kernels::gemv(Transpose::yes, n, c, -1 / static_cast<double>(n), g.data(), c, projected.data(), 1,
                  residual.data());
    solve(residual);
    for (std::size_t j = 0; j < x.size(); ++j) out[j] = x[j] + residual[j];
  }

 protected:
  void some_submatrices(std::span<const std::vector<Index>> of,
                        std::span<std::vector<double>> out) const override {
    const std::vector<Index> all = columns_of(of);
    const Index c = columns_.size(), width = static_cast<Index>(all.size());
    Scratch<double> l(c * c), x(c * std::max<Index>(width, 1));
    unpack_triangle(c, factor_, l.data());
    std::fill_n(x.data(), c * width, 0.0);
    for (Index j = 0; j < width; ++j) x[all[j] * width + j] = 1;
    kernels::triangular_solve(Transpose::no, c, width, l.data(), c, x.data(), width);
    Index at = 0;  // F^-1 = L^-T L^-1
    for (std::size_t i = 0; i < of.size(); ++i) {
      const auto k = static_cast<Index>(of[i].size());
      out[i].assign(k * k, 0.0);
      if (k > 0)
        kernels::gemm(Transpose::yes, Transpose::no, k, k, c, 1, x.data() + at, width, x.data() + at, width,
                      0.0, out[i].data(), k);
      at += k;
    }
  }

 private:
  LiveColumns columns_;
  double damp_;
  std::vector<double> factor_;
};

}  // namespace

std::unique_ptr<BlockForm> make_primal_form(LiveColumns columns, double damp) {
  return std::make_unique<PrimalForm>(std::move(columns), damp);
}

}  // namespace espalier
