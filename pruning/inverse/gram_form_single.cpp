// gram_form_single.cpp: the Gram form of gradients that are float32 numbers. Most of
// it runs in float32, at twice the rate; the factor L and all long sums stay float64.
// What that costs is not bounded beforehand (bounds are 10 to 4000 times too high,
// README.md, "Precision") but measured on each block: with u = (L L')^-1 g_q,
//   g_q' K^-1 g_q = 2 g_q' u - u' K u   up to the square of L's error,   u' K u = |G' u|^2 + N damp |u|^2,
// is taken in float64 for the weights that feel errors most, those with the smallest [F^-1]_qq. If it shows
// an error above `largest_error`, K is summed again in float64 and V is float64 where damp [F^-1]_qq < 0.1.
#include <algorithm>
#include <cmath>
#include <mutex>
#include <numeric>

#include "framework/core/parallel.h"
#include "framework/kernels/mixed.h"
#include "pruning/inverse/gram_form.h"

namespace espalier {
namespace {

using kernels::Scratch;
using kernels::Transpose;
constexpr Index lanes = 4;               // sums of a large block's Gram matrix that are made side by side
constexpr Index checked = 4;             // weights on which the error of float32 is measured
constexpr double largest_error = 2e-5;   // of [F^-1]_qq, relative
constexpr double retake_below = 0.1;     // damp [F^-1]_qq
constexpr double hopeless_error = 1e-2;  // of K in float32, relative to N damp: not even tried
constexpr double digits_of_single = 1e5, digits_refined = 1e10;

/// Whether a diagonal from sums in float32 is good enough.
enum class Enough {
  yes,
  with_exact_factor,  ///< if K is summed in float64
  no                  ///< most entries need float64 throughout
};

class SingleGramForm final : public BlockForm {
 public:
  SingleGramForm(LiveColumns columns, double damp) : block_{std::move(columns), damp} {
    // 6e-8 |g|^2 / (N damp), |g|^2 the mean squared norm of the rows: a bound, never reached.
    const double error = 6e-8 * block_.columns.squares() / static_cast<double>(block_.n) / block_.scale();
    if (!(error < hopeless_error)) {
      (void)exact();
      return;
    }
    Scratch<double> k(block_.n * block_.n);
    std::fill_n(k.data(), block_.n * block_.n, 0.0);
    add_single_gram(k.data());
    block_.factor(k.data());
    factor_ = packed_triangle<float>(block_.n, k.data());
  }

  void diagonal(std::span<double> out) const override {
    if (factor_.empty()) return single_diagonal(exact(), out);
    Scratch<double> l(block_.n * block_.n);
    unpack_triangle(block_.n, factor_, l.data());
    single_diagonal(l.data(), out);
    switch (correct_smallest(l.data(), out)) {
      case Enough::yes:
        return;
      case Enough::with_exact_factor:
        return single_diagonal(GramForm(block_.columns, block_.damp, digits_of_single), out);
      case Enough::no:
        return GramForm(block_.columns, block_.damp, digits_refined).diagonal(out);
    }
  }

  void apply(std::span<const double> v, std::span<double> out) const override {
    if (factor_.empty()) return exact().apply(v, out);
    Scratch<double> l(block_.n * block_.n);
    unpack_triangle(block_.n, factor_, l.data());
    block_.apply(l.data(), v, out);
  }

 protected:
  void some_submatrices(std::span<const std::vector<Index>> of,
                        std::span<std::vector<double>> out) const override {
    exact().few_submatrices(of, out);
  }

 private:
  /// With K in float64.
  const GramForm& exact() const {
    std::call_once(made_exact_, [&] {
      exact_ = std::make_unique<GramForm>(block_.columns, block_.damp, digits_of_single);
    });
    return *exact_;
  }

  void add_single_gram(double* k) const {
    if (block_.columns.size() <= GramBlock::small_block) {
      for (const Range r : block_.gram_panels(GramBlock::small_block, k)) {
        Scratch<float> g(block_.n * r.size());
        block_.columns.load(r.begin, r.size(), g.data());
        kernels::add_gram(block_.n, r.size(), g.data(), r.size(), k, block_.n);
      }
      return;
    }
    // Lane t takes panels t, t + lanes, ...; the lanes' sums are added in order.
    constexpr Index wide = 1024;
    const std::vector<Range> panels = block_.gram_panels(wide, k);
    const auto count = static_cast<Index>(panels.size());
    Scratch<double> sums(lanes * block_.n * block_.n);
    std::fill_n(sums.data(), lanes * block_.n * block_.n, 0.0);
    parallel_for(lanes, 1, [&](Range r) {
      Scratch<float> g(block_.n * wide);
      for (Index t = r.begin; t < r.end; ++t)
        for (Index p = t; p < count; p += lanes) {
          const Index width = panels[p].size();
          block_.columns.load(panels[p].begin, width, g.data());
          kernels::add_gram(block_.n, width, g.data(), width, sums.data() + t * block_.n * block_.n,
                            block_.n);
        }
    });
    parallel_for(block_.n * block_.n, 65536, [&](Range r) {
      for (Index t = 0; t < lanes; ++t)
        for (Index i = r.begin; i < r.end; ++i) k[i] += sums[t * block_.n * block_.n + i];
    });
  }

  void single_diagonal(const double* l, std::span<double> out) const {
    Scratch<float> prepared(block_.n * block_.n);
    kernels::prepare_single(block_.n, l, block_.n, prepared.data());
    parallel_for(block_.columns.size(), GramBlock::panel, [&](Range r) {
      const Index width = r.size();
      Scratch<float> v(block_.n * width);
      Scratch<double> shares(width);  // |V_q|^2
      std::fill_n(shares.data(), width, 0.0);
      block_.columns.load(r.begin, width, v.data());
      kernels::solve_single(block_.n, width, prepared.data(), v.data(), width);
      kernels::add_column_squares(block_.n, width, v.data(), width, shares.data());
      for (Index j = 0; j < width; ++j) out[r.begin + j] = (1 - shares[j]) / block_.damp;
    });
  }

  /// V in float32 by the form's factor, but for the small entries, which are the form's own.
  void single_diagonal(const GramForm& form, std::span<double> out) const {
    Scratch<double> l(block_.n * block_.n);
    form.unpack(l.data());
    single_diagonal(l.data(), out);
    std::vector<Index> small;
    for (Index j = 0; j < block_.columns.size(); ++j)
      if (!(out[j] >= retake_below / block_.damp)) small.push_back(j);
    form.diagonal_of(small, out);
  }

  /// Takes the smallest entries again in float64: all below `retake_below`, and at least `checked`. Says
  /// whether that is enough: not if they are too many, or if one was not good enough, and so perhaps others.
  Enough correct_smallest(const double* l, std::span<double> out) const {
    const Index most = std::max(checked, block_.columns.size() / 32);
    std::vector<Index> order(out.size());
    std::iota(order.begin(), order.end(), Index{0});
    const auto value = [&](Index q) { return out[q]; };
    order.resize(std::partition(order.begin(), order.end(),
                                [&](Index q) { return !(value(q) >= retake_below / block_.damp); }) -
                 order.begin());
    if (static_cast<Index>(order.size()) > most)
      return static_cast<Index>(order.size()) > block_.columns.size() / 2 ? Enough::no
                                                                          : Enough::with_exact_factor;
    if (static_cast<Index>(order.size()) < checked) {
      order.resize(out.size());
      std::iota(order.begin(), order.end(), Index{0});
      const Index count = std::min(checked, block_.columns.size());
      std::partial_sort(order.begin(), order.begin() + count, order.end(),
                        [&](Index a, Index b) { return value(a) < value(b); });
      order.resize(count);
    }
    const std::vector<double> shares = shares_in_double(l, order);
    for (std::size_t k = 0; k < order.size(); ++k) {
      double& entry = out[order[k]];
      const double now = entry;
      entry = (1 - shares[k]) / block_.damp;
      if (!(entry > 0) ||
          !(std::abs(now - entry) <= largest_error * std::max(entry, retake_below / block_.damp)))
        return Enough::with_exact_factor;
    }
    return Enough::yes;
  }

  /// g_q' K^-1 g_q = 2 g_q' u - |G' u|^2 - N damp |u|^2 for the u that L gives, for each of `list`.
  std::vector<double> shares_in_double(const double* l, const std::vector<Index>& list) const {
    const auto count = static_cast<Index>(list.size());
    std::vector<double> g(block_.n * count), shares(list.size());
    block_.load_listed(list, g.data());
    std::vector<double> solved = g, u(static_cast<std::size_t>(block_.n));
    kernels::triangular_solve(Transpose::no, block_.n, count, l, block_.n, solved.data(), count);
    kernels::triangular_solve(Transpose::yes, block_.n, count, l, block_.n, solved.data(), count);
    Scratch<double> by_column(block_.n * count), across(GramBlock::panel);
    for (Index m = 0; m < block_.n; ++m)
      for (Index k = 0; k < count; ++k) {
        const double x = solved[m * count + k];
        by_column[k * block_.n + m] = x;
        shares[k] += x * (2 * g[m * count + k] - block_.scale() * x);
      }
    Scratch<float> rows(block_.n * GramBlock::panel);
    for (Index first = 0; first < block_.columns.size(); first += GramBlock::panel) {
      const Index width = std::min(GramBlock::panel, block_.columns.size() - first);
      block_.columns.load(first, width, rows.data());
      for (Index k = 0; k < count; ++k) {
        std::fill_n(across.data(), width, 0.0);
        kernels::mixed_gemv(Transpose::yes, block_.n, width, rows.data(), width,
                            by_column.data() + k * block_.n, across.data());
        for (Index j = 0; j < width; ++j) shares[k] -= across[j] * across[j];
      }
    }
    return shares;
  }

  GramBlock block_;
  std::vector<float> factor_;  // of K in float32; empty: not even tried
  mutable std::once_flag made_exact_;
  mutable std::unique_ptr<GramForm> exact_;
};

}  // namespace

std::unique_ptr<BlockForm> make_single_gram_form(LiveColumns columns, double damp) {
  return std::make_unique<SingleGramForm>(std::move(columns), damp);
}

}  // namespace espalier
