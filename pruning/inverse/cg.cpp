#include "pruning/inverse/cg.h"

#include <algorithm>
#include <cmath>

#include "pruning/rows/vector_math.h"

namespace espalier {
namespace {

void require_few(Index weights, Index most) {
  if (weights > most)
    fail(ExitCode::config,
         "prune.inverse: \"cg\": the diagonal takes one solve for each of {} weights, allowed are {} "
         "(max_diagonal); prune fewer layers, or use \"block\", which has all of it from one factorisation",
         weights, most);
}

}  // namespace

CgResult conjugate_gradients(const CurvatureOperator& matrix, double damp, std::span<const double> b,
                             std::span<double> x, const CgOptions& options,
                             std::span<const double> diagonal) {
  const std::size_t d = b.size();
  require(static_cast<Index>(d) == matrix.size() && x.size() == d, "[cg] {} columns, {} values in, {} out",
          matrix.size(), d, x.size());
  CgResult result;
  if (norm(b) == 0) {
    std::fill(x.begin(), x.end(), 0.0);
    return result;
  }
  std::vector<double> r(b.begin(), b.end()), z(d), p(d), product(d);
  const auto multiply = [&](std::span<const double> v) {
    matrix.apply(v, product);
    for (std::size_t i = 0; i < d; ++i) product[i] += damp * v[i];
  };
  const auto precondition = [&] {
    for (std::size_t i = 0; i < d; ++i) z[i] = diagonal.empty() ? r[i] : r[i] / (diagonal[i] + damp);
  };
  const auto size = [&] { return std::sqrt(options.preconditioned_norm ? dot(r, z) : dot(r, r)); };
  precondition();
  const double first = size();
  if (std::any_of(x.begin(), x.end(), [](double v) { return v != 0; })) {
    multiply(x);
    for (std::size_t i = 0; i < d; ++i) r[i] -= product[i];
    precondition();
  }
  p = z;
  double rz = dot(r, z);
  result.residual = size() / first;
  while (result.residual > options.tolerance) {
    if (result.steps == options.most_steps) {
      if (!options.must_settle) break;
      fail(ExitCode::numeric,
           "conjugate gradients: after {} steps the residual is {:.3g} of the right side, tolerance {:.3g}; "
           "use a larger damp (prune.damp, now {:g}) or more steps (max_steps)",
           result.steps, result.residual, options.tolerance, damp);
    }
    ++result.steps;
    multiply(p);
    const double curvature = dot(p, product);
    if (!(curvature > 0))
      fail(
          ExitCode::numeric,
          "conjugate gradients: the matrix with damp {:g} is not positive definite (curvature {:.3g} in step "
          "{}); a Hessian away from a minimum has negative eigenvalues: use a larger damp, or Gauss-Newton",
          damp, curvature / dot(p, p), result.steps);
    const double step = rz / curvature;
    for (std::size_t i = 0; i < d; ++i) {
      x[i] += step * p[i];
      r[i] -= step * product[i];
    }
    precondition();
    const double next = dot(r, z), turn = next / rz;
    rz = next;
    for (std::size_t i = 0; i < d; ++i) p[i] = z[i] + turn * p[i];
    result.residual = size() / first;
  }
  // The recurrence says how far it believes to be; where damp is tiny beside the matrix, it errs.
  if (!options.must_settle) return result;
  multiply(x);
  double square = 0;
  for (std::size_t i = 0; i < d; ++i) square += (b[i] - product[i]) * (b[i] - product[i]);
  const double measured = std::sqrt(square) / norm(b);
  if (constexpr double most = 1e-3; !(measured <= std::max(most, 100 * options.tolerance)))
    fail(
        ExitCode::numeric,
        "conjugate gradients: float64 does not hold the solution: after {} steps the residual is {:.2g} of the "
        "right side, where the recurrence has {:.2g}; raise damp (prune.damp), now {:g}",
        result.steps, measured, result.residual, damp);
  return result;
}

OperatorInverse::OperatorInverse(std::shared_ptr<const CurvatureOperator> matrix, double damp,
                                 CgOptions options, std::vector<double> diagonal, Index most_diagonal)
    : matrix_(std::move(matrix)),
      damp_(damp),
      options_(options),
      preconditioner_(std::move(diagonal)),
      most_diagonal_(most_diagonal) {
  if (damp < 0) fail(ExitCode::config, "damp is {:g}; conjugate gradients need damp >= 0", damp);
  require(preconditioner_.empty() || static_cast<Index>(preconditioner_.size()) == matrix_->size(),
          "[cg] a diagonal of {} for {} columns", preconditioner_.size(), matrix_->size());
}

void OperatorInverse::apply(std::span<const double> v, std::span<double> out) const {
  std::fill(out.begin(), out.end(), 0.0);
  conjugate_gradients(*matrix_, damp_, v, out, options_, preconditioner_);
}

std::span<const double> OperatorInverse::diagonal() const {
  if (diagonal_.empty()) {
    require_few(size(), most_diagonal_);
    std::vector<double> found(size()), out(found.size());
    for (Index q = 0; q < size(); ++q) {
      column(q, out);
      found[q] = out[q];
    }
    diagonal_ = std::move(found);
  }
  return diagonal_;
}

void RowsOperator::apply(std::span<const double> v, std::span<double> out) const {
  const Range all{0, rows_.cols()};
  std::vector<double> u(rows_.rows());
  multiply_rows(rows_, all, v, u);
  for (double& x : u) x /= static_cast<double>(rows_.rows());
  multiply_columns(rows_, all, u, out);
}

namespace {

/// The empirical Fisher of the pruner's gradient rows, over all layers at once,
/// solved by conjugate gradients.
struct CgSettings final : InverseSettings {
  double tolerance = 1e-8;
  int max_steps = 2000, max_diagonal = 4096;
  void fields(Fields& f) override {
    f("tolerance", tolerance, "of the residual of each solve, as a share of the right side",
      {.low = 1e-14, .high = 0.1});
    f("max_steps", max_steps, "products a solve may take", {.low = 1});
    f("max_diagonal", max_diagonal,
      "weights up to which the diagonal is computed: it takes one solve for each", {.low = 1});
  }
  void check(std::span<const Range> layers, bool diagonal) const override {
    if (diagonal) require_few(layers.empty() ? 0 : layers.back().end, max_diagonal);
  }
  std::unique_ptr<FisherInverse> build(const GradientRows& rows, std::span<const Range>,
                                       double damp) const override {
    if (!(damp > 0)) fail(ExitCode::config, "damp is {:g}; inverse \"cg\" needs damp > 0", damp);
    return std::make_unique<OperatorInverse>(std::make_shared<RowsOperator>(rows), damp,
                                             CgOptions{tolerance, max_steps}, std::vector<double>{},
                                             max_diagonal);
  }
  std::vector<Range> partition(std::span<const Range> layers) const override {
    return {{0, layers.empty() ? 0 : layers.back().end}};
  }
  double memory(Index, std::span<const Range> layers) const override {
    return 6.0 * 8.0 * static_cast<double>(layers.empty() ? 0 : layers.back().end);
  }
};
const bool cg_known = Registry<InverseSettings>::add<CgSettings>(
    "cg", "conjugate gradients, all layers in one block; for few weights: the diagonal takes a solve each");

}  // namespace
}  // namespace espalier
