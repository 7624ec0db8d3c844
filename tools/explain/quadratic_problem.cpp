#include "tools/explain/quadratic_problem.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "framework/config/suggest.h"
#include "framework/io/atomic_file.h"
#include "framework/kernels/gemm.h"
#include "pruning/inverse/dense.h"

namespace espalier {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t largest = 512;

[[noreturn]] void wrong(const std::string& path, const std::string& what) {
  fail(ExitCode::config, "{}: {}", path, what);
}

Vector numbers(const Json& j, const std::string& path, const std::string& key) {
  if (!j.is_array()) wrong(path, fmt::format("{} is {}; it must be a list of numbers", key, j.type_name()));
  Vector v;
  for (const Json& x : j) {
    if (!x.is_number() || !std::isfinite(x.get<double>()))
      wrong(path, fmt::format("{} holds {}; it must be a list of finite numbers", key, x.dump()));
    v.push_back(x.get<double>());
  }
  return v;
}

Matrix rows(const Json& j, const std::string& path, const std::string& key, std::size_t d) {
  if (!j.is_array()) wrong(path, fmt::format("{} is {}; it must be a list of rows", key, j.type_name()));
  Matrix m;
  for (const Json& row : j) {
    m.push_back(numbers(row, path, fmt::format("{}[{}]", key, m.size())));
    if (m.back().size() != d)
      wrong(path, fmt::format("{}[{}] has {} values, but there are {} weights", key, m.size() - 1,
                              m.back().size(), d));
  }
  return m;
}

std::vector<std::vector<Index>> index_sets(const Json& j, const std::string& path, const std::string& key,
                                           std::size_t d) {
  if (!j.is_array())
    wrong(path, fmt::format("{} is {}; it must be a list of lists of weight numbers", key, j.type_name()));
  std::vector<std::vector<Index>> sets;
  for (const Json& list : j) {
    const std::string where = fmt::format("{}[{}]", key, sets.size());
    if (!list.is_array() || list.empty())
      wrong(path, where + " must be a list of weight numbers, at least one");
    std::vector<Index>& set = sets.emplace_back();
    for (const Json& q : list) {
      if (!q.is_number_integer() || q.get<std::int64_t>() < 0 ||
          q.get<std::int64_t>() >= static_cast<std::int64_t>(d))
        wrong(path, fmt::format("{} holds {}; weights are numbered 0 to {}", where, q.dump(), d - 1));
      if (std::find(set.begin(), set.end(), q.get<Index>()) != set.end())
        wrong(path, fmt::format("{} names weight {} twice", where, q.dump()));
      set.push_back(q.get<Index>());
    }
  }
  return sets;
}

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

/// Weights block by block, so that every block is a range.
std::vector<Index> block_order(const QuadraticProblem& p) {
  std::vector<Index> order;
  for (const auto& b : p.blocks) order.insert(order.end(), b.begin(), b.end());
  return order;
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
    fail(ExitCode::numeric,
         "explain: [F^-1]_QQ is not positive definite in float64 at lambda {:g}; raise lambda", p.damp);
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

QuadraticProblem read_problem(const std::string& path) {
  Json all = Json::parse(read_whole_file(path, ExitCode::config), nullptr, false, true);
  if (all.is_discarded()) wrong(path, "is not valid JSON");
  if (all.is_object() && all.contains("inputs")) all = Json(all["inputs"]);
  if (!all.is_object()) wrong(path, "must hold a JSON object with \"gradients\", \"lambda\" and \"weights\"");
  const std::vector<std::string> known{"gradients",
                                       "lambda",
                                       "weights",
                                       "blocks",
                                       "sets_removed",
                                       "gradient_vector",
                                       "comment",
                                       "gradient_vector_source",
                                       "per_example_gradients"};
  for (const auto& [key, value] : all.items())
    if (std::find(known.begin(), known.end(), key) == known.end())
      wrong(path, fmt::format("has no use for \"{}\"{}", key, did_you_mean(key, known)));
  for (const char* key : {"gradients", "lambda", "weights"})
    if (!all.contains(key)) wrong(path, fmt::format("needs \"{}\"", key));
  QuadraticProblem p;
  p.w = numbers(all["weights"], path, "weights");
  if (p.w.empty() || p.d() > largest)
    wrong(path, fmt::format("weights has {} values; 1 to {} can be explained (use `espalier prune` for more)",
                            p.d(), largest));
  p.gradients = rows(all["gradients"], path, "gradients", p.d());
  if (!all["lambda"].is_number() || !(all["lambda"].get<double>() > 0) ||
      !std::isfinite(all["lambda"].get<double>()))
    wrong(path, fmt::format("lambda is {}; it must be a number greater than 0", all["lambda"].dump()));
  p.damp = all["lambda"];
  if (all.contains("gradient_vector")) {
    p.g = numbers(all["gradient_vector"], path, "gradient_vector");
    if (p.g.size() != p.d())
      wrong(path, fmt::format("gradient_vector has {} values, but there are {} weights", p.g.size(), p.d()));
  } else {
    p.g.assign(p.d(), 0.0);
    for (const Vector& row : p.gradients)
      for (std::size_t q = 0; q < p.d(); ++q) p.g[q] += row[q] / static_cast<double>(p.n());
  }
  if (all.contains("per_example_gradients"))
    p.per_example = rows(all["per_example_gradients"], path, "per_example_gradients", p.d());
  if (all.contains("blocks")) p.blocks = index_sets(all["blocks"], path, "blocks", p.d());
  if (p.blocks.empty()) {
    p.blocks.emplace_back(p.d());
    std::iota(p.blocks[0].begin(), p.blocks[0].end(), 0);
  }
  std::vector<Index> order = block_order(p);
  std::sort(order.begin(), order.end());
  for (std::size_t q = 0; q < p.d(); ++q)
    if (order.size() != p.d() || order[q] != static_cast<Index>(q))
      wrong(path, fmt::format("blocks must name each of the {} weights once", p.d()));
  if (all.contains("sets_removed")) p.sets = index_sets(all["sets_removed"], path, "sets_removed", p.d());
  return p;
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
             "explain: F has an entry that is not finite: the gradients are too large for float64");
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
  s.subsets = compare_subsets(p, s);
  return s;
}

std::vector<Matrix> recursion(const QuadraticProblem& p) {
  const std::size_t d = p.d();
  Matrix f(d, Vector(d, 0.0));
  for (std::size_t q = 0; q < d; ++q) f[q][q] = 1 / p.damp;
  std::vector<Matrix> steps{f};
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
    steps.push_back(f);
  }
  return steps;
}

}  // namespace espalier
