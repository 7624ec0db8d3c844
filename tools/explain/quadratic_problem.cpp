// quadratic_problem.cpp: the problem solved: every quantity of mathematics.md, each by its definition.
#include "tools/explain/quadratic_problem.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "framework/kernels/gemm.h"
#include "pruning/inverse/dense.h"

namespace espalier {
namespace {

Vector times(const Matrix& m, const Vector& v) {
  Vector y(m.size(), 0.0);
  for (std::size_t p = 0; p < m.size(); ++p)
    for (std::size_t q = 0; q < v.size(); ++q) y[p] += m[p][q] * v[q];
  return y;
}
double dot(const Vector& a, const Vector& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

/// g'delta + 1/2 delta'F delta.
double model(const QuadraticSolution& s, const Vector& g, const Vector& delta, bool taylor) {
  return (taylor ? dot(g, delta) : 0) + dot(delta, times(s.F, delta)) / 2;
}

std::vector<Range> block_ranges(const QuadraticProblem& p) {
  std::vector<Range> ranges;
  Index at = 0;
  for (const auto& b : p.blocks) {
    ranges.push_back({at, at + static_cast<Index>(b.size())});
    at = ranges.back().end;
  }
  return ranges;
}

/// M x = b by Cholesky; M is positive definite.
Vector solve_with(const QuadraticProblem& p, const Matrix& m, Vector b) {
  const auto k = static_cast<Index>(b.size());
  Vector flat;
  for (const Vector& row : m) flat.insert(flat.end(), row.begin(), row.end());
  if (kernels::cholesky(k, flat.data(), k) != 0)
    fail(ExitCode::numeric, "{}: [F^-1]_QQ is not positive definite in float64 at lambda {:g}; raise lambda",
         p.file, p.damp);
  kernels::triangular_solve(kernels::Transpose::no, k, 1, flat.data(), k, b.data(), 1);
  kernels::triangular_solve(kernels::Transpose::yes, k, 1, flat.data(), k, b.data(), 1);
  return b;
}

/// F^-1 as pruning takes it: Cholesky factors, block by block.
Matrix inverse_of(const QuadraticProblem& p) {
  const std::size_t d = p.d();
  const std::vector<Index> order = block_order(p);
  Vector flat;
  for (const Vector& g : p.gradients)
    for (const Index q : order) flat.push_back(g[q]);
  const DenseRows G(static_cast<Index>(p.n()), static_cast<Index>(d), flat);
  const auto settings = Registry<InverseSettings>::entries().at("layer").make();
  const auto inverse = settings->build(G, block_ranges(p), p.damp);
  Matrix result(d, Vector(d, 0.0));
  std::vector<Index> all(d);
  std::iota(all.begin(), all.end(), Index{0});
  const Vector m = inverse->submatrix(all);
  for (std::size_t i = 0; i < d; ++i)
    for (std::size_t j = 0; j < d; ++j) result[order[i]][order[j]] = m[i * d + j];
  return result;
}

/// Squares of weights or losses may leave float64 where the problem itself does not.
void require_finite(const QuadraticProblem& p, const QuadraticSolution& s) {
  const auto check = [&](const char* what, const Vector& v) {
    for (std::size_t q = 0; q < v.size(); ++q)
      if (!std::isfinite(v[q]))
        fail(
            ExitCode::numeric,
            "{}: {} of weight {} is {}: weights, gradients or 1 / lambda are too large for float64; scale the "
            "problem",
            p.file, what, q, v[q]);
  };
  for (const Vector& row : s.inverse) check("a row of F^-1", row);
  check("F^-1 g", s.h);
  check("1/2 F_qq w^2", s.obd_damped);
  check("the score", s.woodfisher);
  check("the score", s.woodtaylor);
  for (const auto& lists : {s.singles, s.sets})
    for (const std::vector<Removal>& removals : lists)
      for (const Removal& r : removals) {
        check("the move of a removal, that", r.delta);
        check("the simultaneous move of a removal, that", r.zeroed);
        if (!std::isfinite(r.loss) || !std::isfinite(r.zeroed_loss))
          fail(ExitCode::numeric,
               "{}: the loss change of removing weight {} is not finite; scale the problem", p.file,
               r.removed.front());
      }
  if (!std::isfinite(s.constant))
    fail(ExitCode::numeric, "{}: g'F^-1 g is {}; scale the problem", p.file, s.constant);
}

/// All sets of every size below d, for problems of 2 to 16 weights.
std::vector<BestSubset> compare_subsets(const QuadraticProblem& p, const QuadraticSolution& s) {
  if (p.d() < 2 || p.d() > 16) return {};
  std::vector<BestSubset> result(p.d() - 1);
  const std::vector<Index> order = ranking(s.woodfisher);
  for (std::size_t k = 1; k < p.d(); ++k) {
    BestSubset& b = result[k - 1];
    b.k = k;
    b.best_loss = std::numeric_limits<double>::infinity();
    b.lowest.assign(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k));
    std::sort(b.lowest.begin(), b.lowest.end());
    b.lowest_loss = remove_set(p, s, b.lowest, false).loss;
  }
  for (std::uint32_t bits = 1; bits + 1 < (1U << p.d()); ++bits) {
    std::vector<Index> set;
    for (std::size_t q = 0; q < p.d(); ++q)
      if (bits >> q & 1U) set.push_back(static_cast<Index>(q));
    BestSubset& b = result[set.size() - 1];
    const double loss = remove_set(p, s, set, false).loss;
    ++b.examined;
    if (loss < b.best_loss) b.best_loss = loss, b.best = set;
  }
  return result;
}

}  // namespace

std::vector<Index> ranking(const Vector& score) {
  std::vector<Index> order(score.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return score[a] < score[b]; });
  return order;
}

Removal remove_set(const QuadraticProblem& p, const QuadraticSolution& s, const std::vector<Index>& set,
                   bool taylor) {
  const std::size_t d = p.d();
  Removal r{.removed = set, .delta = Vector(d, 0.0), .simultaneous = Vector(d, 0.0), .zeroed = {}};
  Matrix m;
  Vector b;
  for (const Index i : set) {
    const auto q = static_cast<std::size_t>(i);
    b.push_back(p.w[q] - (taylor ? s.h[q] : 0));
    Vector& row = m.emplace_back();
    for (const Index j : set) row.push_back(s.inverse[q][j]);
  }
  const Vector mu = solve_with(p, m, b);
  for (std::size_t x = 0; x < d; ++x) {
    if (taylor) r.delta[x] = r.simultaneous[x] = -s.h[x];
    for (std::size_t k = 0; k < set.size(); ++k) {
      const auto q = static_cast<std::size_t>(set[k]);
      r.delta[x] -= s.inverse[x][q] * mu[k];                          // -F^-1 E_Q ([F^-1]_QQ)^-1 r_Q
      r.simultaneous[x] -= s.inverse[x][q] * b[k] / s.inverse[q][q];  // the same with the diagonal only
    }
  }
  r.zeroed = r.simultaneous;
  for (const Index q : set) r.zeroed[q] = r.delta[q] = -p.w[q];
  r.loss = model(s, p.g, r.delta, taylor);
  r.zeroed_loss = model(s, p.g, r.zeroed, taylor);
  return r;
}

QuadraticSolution solve(const QuadraticProblem& p) {
  const std::size_t d = p.d();
  const double n = std::max<double>(1, static_cast<double>(p.n()));
  QuadraticSolution s;
  std::vector<int> block_of(d);
  for (std::size_t b = 0; b < p.blocks.size(); ++b)
    for (const Index q : p.blocks[b]) block_of[q] = static_cast<int>(b);
  s.F.assign(d, Vector(d, 0.0));
  for (std::size_t i = 0; i < d; ++i)
    for (std::size_t j = 0; j < d; ++j) {
      if (block_of[i] != block_of[j]) continue;
      for (const Vector& g : p.gradients) s.F[i][j] += g[i] * g[j] / n;
      if (i == j) s.F[i][j] += p.damp;
    }
  for (const Vector& row : s.F)
    for (const double v : row)
      if (!std::isfinite(v))
        fail(ExitCode::numeric,
             "{}: F has an entry that is not finite: the gradients are too large for float64", p.file);
  s.inverse = inverse_of(p);
  s.h = times(s.inverse, p.g);
  s.constant = -dot(p.g, s.h) / 2;
  for (std::size_t q = 0; q < d; ++q) {
    const double w = p.w[q], r = w - s.h[q];
    s.magnitude.push_back(std::abs(w));
    s.obd_damped.push_back(s.F[q][q] * w * w / 2);
    s.diagonal_fisher.push_back((s.F[q][q] - p.damp) * w * w / 2);
    s.woodfisher.push_back(w * w / (2 * s.inverse[q][q]));
    s.woodtaylor.push_back(r * r / (2 * s.inverse[q][q]));
  }
  for (std::size_t taylor = 0; taylor < 2; ++taylor) {
    for (std::size_t q = 0; q < d; ++q)
      s.singles[taylor].push_back(remove_set(p, s, {static_cast<Index>(q)}, taylor == 1));
    for (const auto& set : p.sets) s.sets[taylor].push_back(remove_set(p, s, set, taylor == 1));
  }
  require_finite(p, s);
  s.subsets = compare_subsets(p, s);
  return s;
}

Recursion recursion(const QuadraticProblem& p, std::size_t kept) {
  const std::size_t d = p.d();
  Matrix f(d, Vector(d, 0.0));
  for (std::size_t q = 0; q < d; ++q) f[q][q] = 1 / p.damp;
  Recursion result{.steps = {f}, .last = {}};
  for (const Vector& gradient : p.gradients) {
    for (const auto& block : p.blocks) {
      Vector inverse, g;
      for (const Index i : block) {
        g.push_back(gradient[i]);
        for (const Index j : block) inverse.push_back(f[i][j]);
      }
      sherman_morrison(inverse, g, static_cast<Index>(p.n()));
      std::size_t at = 0;
      for (const Index i : block)
        for (const Index j : block) f[i][j] = inverse[at++];
    }
    if (result.steps.size() <= kept) result.steps.push_back(f);
  }
  result.last = std::move(f);
  return result;
}

}  // namespace espalier
