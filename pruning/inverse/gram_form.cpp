// gram_form.cpp: blocks with more live columns than gradients. The diagonal is
//   (1 - |V_q|^2) / damp,   V = L^-1 G,   K = damp N I + G G' = L L';
// it costs N^2 c for K and N^2 c for V, the rest is small.
//
// Precision. Gradients that are float32 numbers let most of this run in float32, at twice the rate; the
// factor L and all long sums stay float64. What that costs is not bounded beforehand (bounds are 10 to 4000
// times too high, README.md, "Precision") but measured on each block: with u = (L L')^-1 g_q,
//   g_q' K^-1 g_q = 2 g_q' u - u' K u   up to the square of L's error,   u' K u = |G' u|^2 + N damp |u|^2,
// is taken in float64 for the weights that feel errors most, those with the smallest [F^-1]_qq. If it shows
// an error above `largest_error`, K is summed again in float64 and V is float64 where damp [F^-1]_qq < 0.1.
#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <numeric>

#include "framework/core/parallel.h"
#include "pruning/inverse/block_forms.h"

namespace espalier {
namespace {

using kernels::Scratch;
using kernels::Transpose;
constexpr Index panel = 256;             // columns at a time
constexpr Index small_block = 4096;      // columns that one thread takes as a whole
constexpr Index lanes = 4;               // sums of a large block's Gram matrix that are made side by side
constexpr Index checked = 4;             // weights on which the error of float32 is measured
constexpr double largest_error = 2e-5;   // of [F^-1]_qq, relative
constexpr double retake_below = 0.1;     // damp [F^-1]_qq
constexpr double hopeless_error = 1e-2;  // of K in float32, relative to N damp: not even tried

enum class Precision { both_double, single_solve, both_single };

class GramForm final : public BlockForm {
 public:
  GramForm(LiveColumns columns, double damp) : columns_(std::move(columns)), damp_(damp) {
    // 6e-8 |g|^2 / (N damp), |g|^2 the mean squared norm of the rows: a bound, never reached.
    const double error = 6e-8 * columns_.squares() / static_cast<double>(n_) / scale();
    if (columns_.rows().single())
      precision_ = error < hopeless_error ? Precision::both_single : Precision::single_solve;
    factor();
  }

  void diagonal(std::span<double> out) const override {
    Scratch<double> l(n_ * n_);
    unpack(l.data());
    if (precision_ == Precision::both_single) {
      single_diagonal(l.data(), out);
      const Precision needed = correct_smallest(l.data(), out);
      if (needed != Precision::both_single) GramForm(columns_, damp_, needed).diagonal(out);
      return;
    }
    std::vector<Index> exactly;
    if (precision_ == Precision::single_solve) single_diagonal(l.data(), out);
    for (Index j = 0; j < columns_.size(); ++j)
      if (precision_ == Precision::both_double || !(out[j] >= retake_below / damp_)) exactly.push_back(j);
    double_diagonal(l.data(), exactly, out);
  }

  /// x = (v - G' K^-1 G v) / damp, and one step of refinement: the difference loses digits when damp is
  /// small, and a residual against G itself brings them back.
  void apply(std::span<const double> v, std::span<double> out) const override {
    if (columns_.rows().single())
      apply_as<float>(v, out);
    else
      apply_as<double>(v, out);
  }

 protected:
  /// (I - V_Q'V_Q) / damp in float64; where that cancels (a set as a whole does so sooner than its
  /// members), by way of ([F^-1]_QQ)^-1 = damp (I + G_Q' K_{-Q}^-1 G_Q), which only adds.
  void some_submatrices(std::span<const std::vector<Index>> of,
                        std::span<std::vector<double>> out) const override {
    if (precision_ == Precision::both_single) {
      std::call_once(made_exact_,
                     [&] { exact_.reset(new GramForm(columns_, damp_, Precision::single_solve)); });
      return exact_->some_submatrices(of, out);
    }
    const std::vector<Index> all = columns_of(of);
    const auto width = static_cast<Index>(all.size());
    Scratch<double> l(n_ * n_);
    unpack(l.data());
    std::vector<double> g(n_ * width);
    load_listed(all.data(), width, g.data());
    std::vector<double> v = g;
    kernels::triangular_solve(Transpose::no, n_, width, l.data(), n_, v.data(), width);
    const double cancelled = cancels();
    Index at = 0;
    for (std::size_t i = 0; i < of.size(); ++i) {
      const auto k = static_cast<Index>(of[i].size());
      std::vector<double>& m = out[i];
      m.assign(k * k, 0.0);
      if (k > 0)
        kernels::gemm(Transpose::yes, Transpose::no, k, k, n_, -1, v.data() + at, width, v.data() + at, width,
                      0.0, m.data(), k);
      for (Index q = 0; q < k; ++q) m[q * k + q] += 1;
      std::vector<double> factor = m;
      bool exact = kernels::cholesky(k, factor.data(), k) == 0;
      for (Index q = 0; exact && q < k; ++q) {
        const double pivot = factor[q * k + q];
        exact = pivot * pivot > cancelled;
      }
      if (exact)
        for (double& x : m) x /= damp_;
      else
        without_columns(l.data(), g.data() + at, width, k, m);
      at += k;
    }
  }

 private:
  GramForm(LiveColumns columns, double damp, Precision precision)
      : columns_(std::move(columns)), damp_(damp), precision_(precision) {
    factor();
  }
  double scale() const { return damp_ * static_cast<double>(n_); }  // N damp

  void factor() {
    Scratch<double> k(n_ * n_);
    std::fill_n(k.data(), n_ * n_, 0.0);
    if (precision_ == Precision::both_single)
      add_single_gram(k.data());
    else
      add_double_gram(k.data());
    for (Index i = 0; i < n_; ++i) k[i * n_ + i] += scale();
    trace_ = columns_.squares() + static_cast<double>(n_) * scale();
    if (const int minor = kernels::cholesky(n_, k.data(), n_); minor != 0)
      fail_not_positive_definite(columns_, damp_, minor, n_);
    if (precision_ == Precision::both_single)
      single_factor_ = packed_triangle<float>(n_, k.data());
    else
      double_factor_ = packed_triangle<double>(n_, k.data());
  }
  void unpack(double* l) const {
    if (precision_ == Precision::both_single)
      unpack_triangle(n_, single_factor_, l);
    else
      unpack_triangle(n_, double_factor_, l);
  }

  /// Panels of at most `wide` columns, without those of layers whose share of G G' the rows know a short way
  /// to; that share is added to k.
  std::vector<Range> gram_panels(Index wide, double* k) const {
    std::vector<Range> stretches, panels;
    Index first = 0;
    const Range block = columns_.block();
    if (columns_.size() == block.size())
      for (const Range layer : columns_.rows().gram_ranges()) {
        if (layer.begin < block.begin || layer.end > block.end) continue;
        columns_.rows().add_gram(layer, k);
        stretches.push_back({first, layer.begin - block.begin});
        first = layer.end - block.begin;
      }
    stretches.push_back({first, columns_.size()});
    for (const Range stretch : stretches)
      for (Index begin = stretch.begin; begin < stretch.end; begin += wide)
        panels.push_back({begin, std::min(begin + wide, stretch.end)});
    return panels;
  }

  void add_double_gram(double* k) const {
    constexpr Index wide = 512;
    Scratch<double> g(n_ * wide);
    for (const Range r : gram_panels(wide, k)) {
      columns_.load(r.begin, r.size(), g.data());
      if (columns_.size() <= small_block)  // on this thread: one product is faster than tiles
        kernels::add_gram(n_, r.size(), g.data(), r.size(), k, n_);
      else
        kernels::syrk(n_, r.size(), 1, g.data(), r.size(), 1, k, n_);
    }
  }

  void add_single_gram(double* k) const {
    if (columns_.size() <= small_block) {
      for (const Range r : gram_panels(small_block, k)) {
        Scratch<float> g(n_ * r.size());
        columns_.load(r.begin, r.size(), g.data());
        kernels::add_gram(n_, r.size(), g.data(), r.size(), k, n_);
      }
      return;
    }
    // Lane t takes panels t, t + lanes, ...; the lanes' sums are added in order.
    constexpr Index wide = 1024;
    const std::vector<Range> panels = gram_panels(wide, k);
    const auto count = static_cast<Index>(panels.size());
    Scratch<double> sums(lanes * n_ * n_);
    std::fill_n(sums.data(), lanes * n_ * n_, 0.0);
    parallel_for(lanes, 1, [&](Range r) {
      Scratch<float> g(n_ * wide);
      for (Index t = r.begin; t < r.end; ++t)
        for (Index p = t; p < count; p += lanes) {
          const Index width = panels[p].size();
          columns_.load(panels[p].begin, width, g.data());
          kernels::add_gram(n_, width, g.data(), width, sums.data() + t * n_ * n_, n_);
        }
    });
    parallel_for(n_ * n_, 65536, [&](Range r) {
      for (Index t = 0; t < lanes; ++t)
        for (Index i = r.begin; i < r.end; ++i) k[i] += sums[t * n_ * n_ + i];
    });
  }

  void single_diagonal(const double* l, std::span<double> out) const {
    Scratch<float> prepared(n_ * n_);
    kernels::prepare_single(n_, l, n_, prepared.data());
    parallel_for(columns_.size(), panel, [&](Range r) {
      const Index width = r.size();
      Scratch<float> v(n_ * width);
      Scratch<double> shares(width);  // |V_q|^2
      std::fill_n(shares.data(), width, 0.0);
      columns_.load(r.begin, width, v.data());
      kernels::solve_single(n_, width, prepared.data(), v.data(), width);
      kernels::add_column_squares(n_, width, v.data(), width, shares.data());
      for (Index j = 0; j < width; ++j) out[r.begin + j] = (1 - shares[j]) / damp_;
    });
  }

  /// Takes the smallest entries again in float64: all below `retake_below`, and at least `checked`. Returns
  /// what is needed: more than float32 if they are too many, or if one was not good enough, and so perhaps
  /// others too.
  Precision correct_smallest(const double* l, std::span<double> out) const {
    const Index most = std::max(checked, columns_.size() / 32);
    std::vector<Index> order(out.size());
    std::iota(order.begin(), order.end(), Index{0});
    const auto value = [&](Index q) { return out[q]; };
    order.resize(std::partition(order.begin(), order.end(),
                                [&](Index q) { return !(value(q) >= retake_below / damp_); }) -
                 order.begin());
    if (static_cast<Index>(order.size()) > most)
      return static_cast<Index>(order.size()) > columns_.size() / 2 ? Precision::both_double
                                                                    : Precision::single_solve;
    if (static_cast<Index>(order.size()) < checked) {
      order.resize(out.size());
      std::iota(order.begin(), order.end(), Index{0});
      const Index count = std::min(checked, columns_.size());
      std::partial_sort(order.begin(), order.begin() + count, order.end(),
                        [&](Index a, Index b) { return value(a) < value(b); });
      order.resize(count);
    }
    const std::vector<double> shares = shares_in_double(l, order);
    for (std::size_t k = 0; k < order.size(); ++k) {
      double& entry = out[order[k]];
      const double now = entry;
      entry = (1 - shares[k]) / damp_;
      if (!(entry > 0) || !(std::abs(now - entry) <= largest_error * std::max(entry, retake_below / damp_)))
        return Precision::single_solve;
    }
    return Precision::both_single;
  }

  /// g_q' K^-1 g_q = 2 g_q' u - |G' u|^2 - N damp |u|^2 for the u that L gives, for each of `list`.
  std::vector<double> shares_in_double(const double* l, const std::vector<Index>& list) const {
    const auto count = static_cast<Index>(list.size());
    std::vector<double> g(n_ * count), shares(list.size());
    load_listed(list.data(), count, g.data());
    std::vector<double> solved = g, u(static_cast<std::size_t>(n_));
    kernels::triangular_solve(Transpose::no, n_, count, l, n_, solved.data(), count);
    kernels::triangular_solve(Transpose::yes, n_, count, l, n_, solved.data(), count);
    Scratch<double> by_column(n_ * count), across(panel);
    for (Index m = 0; m < n_; ++m)
      for (Index k = 0; k < count; ++k) {
        const double x = solved[m * count + k];
        by_column[k * n_ + m] = x;
        shares[k] += x * (2 * g[m * count + k] - scale() * x);
      }
    Scratch<float> rows(n_ * panel);
    for (Index first = 0; first < columns_.size(); first += panel) {
      const Index width = std::min(panel, columns_.size() - first);
      columns_.load(first, width, rows.data());
      for (Index k = 0; k < count; ++k) {
        std::fill_n(across.data(), width, 0.0);
        kernels::mixed_gemv(Transpose::yes, n_, width, rows.data(), width, by_column.data() + k * n_,
                            across.data());
        for (Index j = 0; j < width; ++j) shares[k] -= across[j] * across[j];
      }
    }
    return shares;
  }

  /// out[m, j] = G[m, list[j]].
  void load_listed(const Index* list, Index width, double* out) const {
    std::vector<double> g;
    for (Index j = 0, run = 0; j < width; j += run) {
      run = 1;
      while (j + run < width && list[j + run] == list[j] + run) ++run;
      if (run == width) return columns_.load(list[0], width, out);
      g.resize(n_ * run);
      columns_.load(list[j], run, g.data());
      for (Index m = 0; m < n_; ++m) std::copy_n(g.data() + m * run, run, out + m * width + j);
    }
  }

  /// The error of 1 - |V_q|^2 is below eps * cond(K); where the difference itself is not much larger than
  /// that (1e10 times, or 1e5 for gradients that are known to float32 only), it is taken in a form that does
  /// not cancel. That costs N^3 a weight or set. Since sum_q |V_q|^2 <= N, at most about N weights could need
  /// it; few do.
  double cancels() const {
    const double digits = precision_ == Precision::both_double ? 1e10 : 1e5;
    return std::clamp(2e-16 * digits * trace_ / scale(), 1e-12, 1e-2);
  }

  /// The columns `which` in float64.
  void double_diagonal(const double* l, const std::vector<Index>& which, std::span<double> out) const {
    const double cancelled = cancels();
    const auto count = static_cast<Index>(which.size());
    std::vector<double> v(n_ * std::min(panel, count));
    for (Index first = 0; first < count; first += panel) {
      const Index width = std::min(panel, count - first);
      const Index* list = which.data() + first;
      load_listed(list, width, v.data());
      kernels::triangular_solve(Transpose::no, n_, width, l, n_, v.data(), width);
      for (Index j = 0; j < width; ++j) {
        double share = 0;  // |V_q|^2
        for (Index m = 0; m < n_; ++m) share += v[m * width + j] * v[m * width + j];
        out[list[j]] = 1 - share > cancelled ? (1 - share) / damp_ : without_column(l, list[j]);
      }
    }
  }

  /// [F^-1]_qq = 1 / (damp (1 + t)), t = g_q' K_q^-1 g_q with K_q the matrix K without column q
  /// (Sherman-Morrison): only positive terms.
  double without_column(const double* l, Index q) const {
    std::vector<double> g(n_);
    Scratch<double> k(n_ * n_);
    kernels::syrk(n_, n_, 1, l, n_, 0, k.data(), n_);  // K = L L' again: few weights come here
    columns_.load(q, 1, g.data());
    for (Index i = 0; i < n_; ++i)
      for (Index j = 0; j < n_; ++j) k[i * n_ + j] -= g[i] * g[j];
    if (kernels::cholesky(n_, k.data(), n_) != 0)
      fail(ExitCode::numeric,
           "pruning: [F^-1]_qq of weight {} can't be computed at damp "
           "{:g}: the gradients' scale leaves no digits; raise prune.damp",
           columns_.block().begin + columns_.places()[q], damp_);
    kernels::triangular_solve(Transpose::no, n_, 1, k.data(), n_, g.data(), 1);
    double t = 0;
    for (const double x : g) t += x * x;
    return 1 / (damp_ * (1 + t));
  }

  /// The same for k columns g (leading dimension ldg): m = [F^-1]_QQ by way of its inverse.
  void without_columns(const double* l, const double* g, Index ldg, Index k, std::vector<double>& m) const {
    Scratch<double> rest(n_ * n_);
    std::vector<double> own(n_ * k), inner(m.size());
    for (Index r = 0; r < n_; ++r) std::copy_n(g + r * ldg, k, own.data() + r * k);
    kernels::syrk(n_, n_, 1, l, n_, 0, rest.data(), n_);
    kernels::syrk(n_, k, -1, own.data(), k, 1, rest.data(), n_);
    // What is left is at least N damp; where Q is all that there is, rounding alone decides.
    for (Index i = 0; i < n_; ++i) rest[i * n_ + i] = std::max(rest[i * n_ + i], scale());
    bool fits = kernels::cholesky(n_, rest.data(), n_) == 0;
    if (fits) {
      kernels::triangular_solve(Transpose::no, n_, k, rest.data(), n_, own.data(), k);
      kernels::gemm(Transpose::yes, Transpose::no, k, k, n_, damp_, own.data(), k, own.data(), k, 0.0,
                    inner.data(), k);
      std::fill(m.begin(), m.end(), 0.0);
      for (Index q = 0; q < k; ++q) {
        inner[q * k + q] += damp_;
        m[q * k + q] = 1;
      }
      fits = kernels::cholesky(k, inner.data(), k) == 0;
    }
    if (!fits)
      fail(ExitCode::numeric,
           "pruning: [F^-1]_QQ of a set of {} weights in {}..{} can't be computed "
           "at damp {:g}: the gradients' scale leaves no digits; raise prune.damp",
           k, columns_.block().begin, columns_.block().end, damp_);
    kernels::triangular_solve(Transpose::no, k, k, inner.data(), k, m.data(), k);
    kernels::triangular_solve(Transpose::yes, k, k, inner.data(), k, m.data(), k);
  }

  static void add_product(Transpose t, Index n, Index width, const float* g, Index ld, const double* x,
                          double* y) {
    kernels::mixed_gemv(t, n, width, g, ld, x, y);
  }
  static void add_product(Transpose t, Index n, Index width, const double* g, Index ld, const double* x,
                          double* y) {
    kernels::gemv(t, n, width, 1, g, ld, x, 1, y);
  }

  template <class T>
  void apply_as(std::span<const double> v, std::span<double> out) const {
    const Index c = columns_.size(), panels = (c + panel - 1) / panel;
    const bool keep = c <= small_block;  // then G is loaded once for all four passes
    Scratch<T> whole(keep ? n_ * c : 1);
    if (keep) columns_.load(0, c, whole.data());
    const auto rows = static_cast<std::size_t>(n_);
    std::vector<double> y(rows), z(rows), partial(static_cast<std::size_t>(panels) * rows),
        residual(static_cast<std::size_t>(c));
    // One pass over G: for every panel step(first, width, G' in), then sum = G after. Partial sums of fixed
    // panels are added in order.
    const auto pass = [&](const std::vector<double>* in, const auto& step, const double* after,
                          std::vector<double>* sum) {
      parallel_for(panels, 1, [&](Range r) {
        Scratch<T> own(keep ? 1 : n_ * panel);
        Scratch<double> across(panel);
        for (Index p = r.begin; p < r.end; ++p) {
          const Index first = p * panel, width = std::min(panel, c - first), ld = keep ? c : width;
          if (!keep) columns_.load(first, width, own.data());
          const T* g = keep ? whole.data() + first : own.data();
          std::fill_n(across.data(), width, 0.0);
          if (in) add_product(Transpose::yes, n_, width, g, ld, in->data(), across.data());
          for (Index j = 0; j < width; ++j) step(static_cast<std::size_t>(first + j), across[j]);
          double* mine = partial.data() + p * n_;
          std::fill_n(mine, n_, 0.0);
          if (sum) add_product(Transpose::no, n_, width, g, ld, after + first, mine);
        }
      });
      if (!sum) return;
      std::fill(sum->begin(), sum->end(), 0.0);
      for (Index p = 0; p < panels; ++p)
        for (std::size_t m = 0; m < rows; ++m) (*sum)[m] += partial[static_cast<std::size_t>(p) * rows + m];
    };
    Scratch<double> l(n_ * n_);
    unpack(l.data());
    const auto solve = [&](std::vector<double>& b) {
      kernels::triangular_solve(Transpose::no, n_, 1, l.data(), n_, b.data(), 1);
      kernels::triangular_solve(Transpose::yes, n_, 1, l.data(), n_, b.data(), 1);
    };
    const double n = static_cast<double>(n_);
    pass(
        nullptr, [](std::size_t, double) {}, v.data(), &y);
    solve(y);
    pass(
        &y, [&](std::size_t j, double gy) { out[j] = (v[j] - gy) / damp_; }, out.data(), &z);
    pass(
        &z, [&](std::size_t j, double gz) { residual[j] = v[j] - damp_ * out[j] - gz / n; }, residual.data(),
        &y);
    solve(y);
    pass(
        &y, [&](std::size_t j, double gy) { out[j] += (residual[j] - gy) / damp_; }, nullptr, nullptr);
  }

  LiveColumns columns_;
  double damp_, trace_ = 0;
  Index n_ = columns_.rows().rows();
  Precision precision_ = Precision::both_double;
  std::vector<float> single_factor_;
  std::vector<double> double_factor_;
  mutable std::once_flag made_exact_;
  mutable std::unique_ptr<GramForm> exact_;  // with K in float64, for submatrices
};

}  // namespace

std::unique_ptr<BlockForm> make_gram_form(LiveColumns columns, double damp) {
  return std::make_unique<GramForm>(std::move(columns), damp);
}

}  // namespace espalier
