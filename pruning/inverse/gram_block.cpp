// gram_block.cpp: a block's columns as the Gram form works on them, and products with F^-1, refined.
#include <algorithm>

#include "framework/core/parallel.h"
#include "framework/kernels/mixed.h"
#include "pruning/inverse/gram_form.h"

namespace espalier {
namespace {

using kernels::Scratch;
using kernels::Transpose;

void add_product(Transpose t, Index n, Index width, const float* g, Index ld, const double* x, double* y) {
  kernels::mixed_gemv(t, n, width, g, ld, x, y);
}
void add_product(Transpose t, Index n, Index width, const double* g, Index ld, const double* x, double* y) {
  kernels::gemv(t, n, width, 1, g, ld, x, 1, y);
}

/// The passes over G that a product with F^-1 is made of, panel by panel side by side. A block that one
/// thread takes as a whole is loaded once for all of them. Partial sums of fixed panels are added in order.
template <class T>
class Passes {
 public:
  explicit Passes(const GramBlock& block)
      : block_(block), whole_(keep() ? block.n * columns() : 1), partial_(panels() * block.n) {
    if (keep()) block.columns.load(0, columns(), whole_.data());
  }
  /// y = G x.
  void multiply(std::span<const double> x, std::vector<double>& y) {
    for_panels([&](const Panel& p) { multiply(p, x); });
    add_partial_sums(y);
  }
  /// step(j, [G' y]_j) for every column j.
  template <class Step>
  void pull(const std::vector<double>& y, Step step) {
    for_panels([&](const Panel& p) { pull(p, y, step); });
  }
  /// The same, then z = G x for the x that the steps have left.
  template <class Step>
  void pull_and_multiply(const std::vector<double>& y, Step step, std::span<const double> x,
                         std::vector<double>& z) {
    for_panels([&](const Panel& p) {
      pull(p, y, step);
      multiply(p, x);
    });
    add_partial_sums(z);
  }

 private:
  struct Panel {
    Index number, first, width;
    const T* g;
    Index ld;
  };
  Index columns() const { return block_.columns.size(); }
  Index panels() const { return (columns() + GramBlock::panel - 1) / GramBlock::panel; }
  bool keep() const { return columns() <= GramBlock::small_block; }

  template <class Use>
  void for_panels(Use use) {
    parallel_for(panels(), 1, [&](Range r) {
      Scratch<T> own(keep() ? 1 : block_.n * GramBlock::panel);
      for (Index p = r.begin; p < r.end; ++p) {
        const Index first = p * GramBlock::panel, width = std::min(GramBlock::panel, columns() - first);
        if (!keep()) block_.columns.load(first, width, own.data());
        use(Panel{p, first, width, keep() ? whole_.data() + first : own.data(), keep() ? columns() : width});
      }
    });
  }
  template <class Step>
  void pull(const Panel& p, const std::vector<double>& y, Step& step) {
    double across[GramBlock::panel] = {};
    add_product(Transpose::yes, block_.n, p.width, p.g, p.ld, y.data(), across);
    for (Index j = 0; j < p.width; ++j) step(p.first + j, across[j]);
  }
  void multiply(const Panel& p, std::span<const double> x) {
    double* mine = partial_.data() + p.number * block_.n;
    std::fill_n(mine, block_.n, 0.0);
    add_product(Transpose::no, block_.n, p.width, p.g, p.ld, x.data() + p.first, mine);
  }
  void add_partial_sums(std::vector<double>& sum) const {
    std::fill(sum.begin(), sum.end(), 0.0);
    for (Index p = 0; p < panels(); ++p)
      for (Index m = 0; m < block_.n; ++m) sum[m] += partial_[p * block_.n + m];
  }

  const GramBlock& block_;
  Scratch<T> whole_;
  std::vector<double> partial_;
};

/// x = (v - G' K^-1 G v) / damp, and with the residual r = v - F x in the place of v once more.
template <class T>
void apply_as(const GramBlock& block, const double* l, std::span<const double> v, std::span<double> x) {
  const Index n = block.n;
  const double damp = block.damp, rows = static_cast<double>(n);
  std::vector<double> y(n), z(n), r(x.size());
  const auto solve = [&](std::vector<double>& b) {
    kernels::triangular_solve(Transpose::no, n, 1, l, n, b.data(), 1);
    kernels::triangular_solve(Transpose::yes, n, 1, l, n, b.data(), 1);
  };
  Passes<T> g(block);
  g.multiply(v, y);
  solve(y);
  g.pull_and_multiply(
      y, [&](Index j, double gy) { x[j] = (v[j] - gy) / damp; }, x, z);
  g.pull_and_multiply(
      z, [&](Index j, double gz) { r[j] = v[j] - damp * x[j] - gz / rows; }, r, y);
  solve(y);
  g.pull(y, [&](Index j, double gy) { x[j] += (r[j] - gy) / damp; });
}

}  // namespace

std::vector<Range> GramBlock::gram_panels(Index wide, double* k) const {
  std::vector<Range> stretches, panels;
  Index first = 0;
  const Range block = columns.block();
  if (columns.size() == block.size())
    for (const Range layer : columns.rows().gram_ranges()) {
      if (layer.begin < block.begin || layer.end > block.end) continue;
      columns.rows().add_gram(layer, k);
      stretches.push_back({first, layer.begin - block.begin});
      first = layer.end - block.begin;
    }
  stretches.push_back({first, columns.size()});
  for (const Range stretch : stretches)
    for (Index begin = stretch.begin; begin < stretch.end; begin += wide)
      panels.push_back({begin, std::min(begin + wide, stretch.end)});
  return panels;
}

void GramBlock::factor(double* k) const {
  for (Index i = 0; i < n; ++i) k[i * n + i] += scale();
  if (const int minor = kernels::cholesky(n, k, n); minor != 0)
    fail_not_positive_definite(columns, damp, minor, n);
}

void GramBlock::load_listed(std::span<const Index> list, double* out) const {
  const auto width = static_cast<Index>(list.size());
  std::vector<double> g;
  for (Index j = 0, run = 0; j < width; j += run) {
    run = 1;
    while (j + run < width && list[j + run] == list[j] + run) ++run;
    if (run == width) return columns.load(list[0], width, out);
    g.resize(n * run);
    columns.load(list[j], run, g.data());
    for (Index m = 0; m < n; ++m) std::copy_n(g.data() + m * run, run, out + m * width + j);
  }
}

void GramBlock::apply(const double* l, std::span<const double> v, std::span<double> out) const {
  if (columns.rows().single())
    apply_as<float>(*this, l, v, out);
  else
    apply_as<double>(*this, l, v, out);
}

}  // namespace espalier
