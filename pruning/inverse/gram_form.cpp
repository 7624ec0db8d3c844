// gram_form.cpp: blocks with more live columns than gradients, in float64. The diagonal is (1 - |V_q|^2) /
// damp with V = L^-1 G; it costs N^2 c for K and N^2 c for V, the rest is small.
#include "pruning/inverse/gram_form.h"

#include <algorithm>
#include <numeric>

#include "framework/kernels/mixed.h"

namespace espalier {
namespace {

using kernels::Scratch;
using kernels::Transpose;
constexpr double digits_of_double = 1e10;

}  // namespace

GramForm::GramForm(LiveColumns columns, double damp, double digits)
    : block_{std::move(columns), damp}, digits_(digits) {
  constexpr Index wide = 512;
  const Index n = block_.n;
  Scratch<double> k(n * n), g(n * wide);
  std::fill_n(k.data(), n * n, 0.0);
  for (const Range r : block_.gram_panels(wide, k.data())) {
    block_.columns.load(r.begin, r.size(), g.data());
    if (block_.columns.size() <= GramBlock::small_block)  // on this thread: one product is faster than tiles
      kernels::add_gram(n, r.size(), g.data(), r.size(), k.data(), n);
    else
      kernels::syrk(n, r.size(), 1, g.data(), r.size(), 1, k.data(), n);
  }
  block_.factor(k.data());
  factor_ = packed_triangle<double>(n, k.data());
}

void GramForm::diagonal(std::span<double> out) const {
  std::vector<Index> all(block_.columns.size());
  std::iota(all.begin(), all.end(), Index{0});
  diagonal_of(all, out);
}

void GramForm::diagonal_of(std::span<const Index> which, std::span<double> out) const {
  const Index n = block_.n, count = static_cast<Index>(which.size());
  const double cancelled = cancels();
  Scratch<double> l(n * n);
  unpack(l.data());
  std::vector<double> v(n * std::min(GramBlock::panel, count));
  for (Index first = 0; first < count; first += GramBlock::panel) {
    const Index width = std::min(GramBlock::panel, count - first);
    const std::span<const Index> list = which.subspan(first, width);
    block_.load_listed(list, v.data());
    kernels::triangular_solve(Transpose::no, n, width, l.data(), n, v.data(), width);
    for (Index j = 0; j < width; ++j) {
      double share = 0;  // |V_q|^2
      for (Index m = 0; m < n; ++m) share += v[m * width + j] * v[m * width + j];
      out[list[j]] = 1 - share > cancelled ? (1 - share) / block_.damp : without_column(l.data(), list[j]);
    }
  }
}

void GramForm::apply(std::span<const double> v, std::span<double> out) const {
  Scratch<double> l(block_.n * block_.n);
  unpack(l.data());
  block_.apply(l.data(), v, out);
}

/// The error of 1 - |V_q|^2 is below eps * cond(K); where the difference itself is not much larger than
/// that (digits_ times), it is taken in a form that does not cancel. That costs N^3 a weight or set. Since
/// sum_q |V_q|^2 <= N, at most about N weights could need it; few do.
double GramForm::cancels() const {
  const double trace = block_.columns.squares() + static_cast<double>(block_.n) * block_.scale();
  return std::clamp(2e-16 * digits_ * trace / block_.scale(), 1e-12, 1e-2);
}

/// (I - V_Q'V_Q) / damp; where that cancels (a set as a whole does so sooner than its members), by way of
/// ([F^-1]_QQ)^-1 = damp (I + G_Q' K_{-Q}^-1 G_Q), which only adds.
void GramForm::some_submatrices(std::span<const std::vector<Index>> of,
                                std::span<std::vector<double>> out) const {
  const std::vector<Index> all = columns_of(of);
  const Index n = block_.n;
  const auto width = static_cast<Index>(all.size());
  Scratch<double> l(n * n);
  unpack(l.data());
  std::vector<double> g(n * width);
  block_.load_listed(all, g.data());
  std::vector<double> v = g;
  kernels::triangular_solve(Transpose::no, n, width, l.data(), n, v.data(), width);
  const double cancelled = cancels();
  Index at = 0;
  for (std::size_t i = 0; i < of.size(); ++i) {
    const auto k = static_cast<Index>(of[i].size());
    std::vector<double>& m = out[i];
    m.assign(k * k, 0.0);
    if (k > 0)
      kernels::gemm(Transpose::yes, Transpose::no, k, k, n, -1, v.data() + at, width, v.data() + at, width,
                    0.0, m.data(), k);
    for (Index q = 0; q < k; ++q) m[q * k + q] += 1;
    std::vector<double> factor = m;
    bool exact = kernels::cholesky(k, factor.data(), k) == 0;
    for (Index q = 0; exact && q < k; ++q) {
      const double pivot = factor[q * k + q];
      exact = pivot * pivot > cancelled;
    }
    if (exact)
      for (double& x : m) x /= block_.damp;
    else
      without_columns(l.data(), g.data() + at, width, k, m);
    at += k;
  }
}

/// [F^-1]_qq = 1 / (damp (1 + t)), t = g_q' K_q^-1 g_q with K_q the matrix K without column q
/// (Sherman-Morrison): only positive terms.
double GramForm::without_column(const double* l, Index q) const {
  const Index n = block_.n;
  std::vector<double> g(n);
  Scratch<double> k(n * n);
  kernels::syrk(n, n, 1, l, n, 0, k.data(), n);  // K = L L' again: few weights come here
  block_.columns.load(q, 1, g.data());
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < n; ++j) k[i * n + j] -= g[i] * g[j];
  if (kernels::cholesky(n, k.data(), n) != 0)
    fail(ExitCode::numeric,
         "pruning: [F^-1]_qq of weight {} can't be computed at damp {:g}: the gradients' scale leaves no "
         "digits; raise prune.damp",
         block_.columns.block().begin + block_.columns.places()[q], block_.damp);
  kernels::triangular_solve(Transpose::no, n, 1, k.data(), n, g.data(), 1);
  double t = 0;
  for (const double x : g) t += x * x;
  return 1 / (block_.damp * (1 + t));
}

/// The same for k columns g (leading dimension ldg): m = [F^-1]_QQ by way of its inverse.
void GramForm::without_columns(const double* l, const double* g, Index ldg, Index k,
                               std::vector<double>& m) const {
  const Index n = block_.n;
  Scratch<double> rest(n * n);
  std::vector<double> own(n * k), inner(m.size());
  for (Index r = 0; r < n; ++r) std::copy_n(g + r * ldg, k, own.data() + r * k);
  kernels::syrk(n, n, 1, l, n, 0, rest.data(), n);
  kernels::syrk(n, k, -1, own.data(), k, 1, rest.data(), n);
  // What is left is at least N damp; where Q is all that there is, rounding alone decides.
  for (Index i = 0; i < n; ++i) rest[i * n + i] = std::max(rest[i * n + i], block_.scale());
  bool fits = kernels::cholesky(n, rest.data(), n) == 0;
  if (fits) {
    kernels::triangular_solve(Transpose::no, n, k, rest.data(), n, own.data(), k);
    kernels::gemm(Transpose::yes, Transpose::no, k, k, n, block_.damp, own.data(), k, own.data(), k, 0.0,
                  inner.data(), k);
    std::fill(m.begin(), m.end(), 0.0);
    for (Index q = 0; q < k; ++q) {
      inner[q * k + q] += block_.damp;
      m[q * k + q] = 1;
    }
    fits = kernels::cholesky(k, inner.data(), k) == 0;
  }
  if (!fits)
    fail(ExitCode::numeric,
         "pruning: [F^-1]_QQ of a set of {} weights in {}..{} can't be computed at damp {:g}: the "
         "gradients' scale leaves no digits; raise prune.damp",
         k, block_.columns.block().begin, block_.columns.block().end, block_.damp);
  kernels::triangular_solve(Transpose::no, k, k, inner.data(), k, m.data(), k);
  kernels::triangular_solve(Transpose::yes, k, k, inner.data(), k, m.data(), k);
}

std::unique_ptr<BlockForm> make_gram_form(LiveColumns columns, double damp) {
  if (columns.rows().single()) return make_single_gram_form(std::move(columns), damp);
  return std::make_unique<GramForm>(std::move(columns), damp, digits_of_double);
}

}  // namespace espalier
