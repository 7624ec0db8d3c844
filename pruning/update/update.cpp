#include "pruning/update/update.h"

#include <algorithm>
#include <cmath>

#include "pruning/inverse/cg.h"
#include "pruning/rows/vector_math.h"

namespace espalier {
namespace {

/// A gradient step on the weights that `kept` has columns of, when all weights have moved by `after` already.
struct StepOnKept {
  const GradientRows& kept;
  std::span<const double> after = {};  // empty: not at all
};

std::vector<double> gradient_step(const QuadraticModel& m, const StepOnKept& on) {
  std::vector<double> h(m.w.size());
  m.kind->build(on.kept, m.layers, m.step_damp)->apply(m.g, h);
  if (!m.shorten_step) return h;
  // The blocks each answer for the whole gradient, so their sum goes too far.
  // The best length under the quadratic model with all couplings: minimise
  // over t in [0, 1]  g'(delta - t h) + 1/2 |G (delta - t h)|^2 / N.
  const Range all{0, m.rows->cols()};
  const auto n = static_cast<std::size_t>(m.rows->rows());
  std::vector<double> gh(n), gd(n, 0.0);
  multiply_rows(on.kept, all, h, gh);
  if (!on.after.empty()) multiply_rows(*m.rows, all, on.after, gd);
  const double curvature = dot(gh, gh) / static_cast<double>(n);
  const double slope = dot(m.g, h) + dot(gd, gh) / static_cast<double>(n);
  const double t = curvature > 0 ? std::clamp(slope / curvature, 0.0, 1.0) : 1;
  for (double& x : h) x *= t;
  return h;
}

/// delta_S = -(H_SS)^-1 H_SQ delta_Q, delta_Q = -w_Q (mathematics.md section 5), and where the gradient
/// counts the step -(H_SS)^-1 g_S with its own dampening. With the columns of Q zeroed in G, the inverse
/// restricted to S is that of H_SS, and H_SQ delta_Q = G_S' (G_Q delta_Q) / N.
std::vector<double> joint_update(const QuadraticModel& m, const std::vector<bool>& removed) {
  const std::size_t d = m.w.size();
  const MaskedRows kept(*m.rows, removed);
  std::vector<double> delta(d, 0.0), coupling(d, 0.0), projected(m.rows->rows()), moved(d, 0.0);
  for (std::size_t q = 0; q < d; ++q)
    if (removed[q]) moved[q] = -m.w[q];
  const double n = std::max<double>(1, static_cast<double>(m.rows->rows()));
  // Block by block, as the inverse: coupling across blocks is not part of the model.
  for (const Range block : m.blocks()) {
    multiply_rows(*m.rows, block, std::span(moved).subspan(block.begin, block.size()), projected);
    multiply_columns(kept, block, projected, std::span(coupling).subspan(block.begin, block.size()));
  }
  for (std::size_t q = 0; q < d; ++q) coupling[q] = removed[q] ? 0 : coupling[q] / n;
  m.kind->build(kept, m.layers, m.damp)->apply(coupling, delta);
  for (std::size_t q = 0; q < d; ++q) delta[q] = removed[q] ? -m.w[q] : -delta[q];
  if (m.h.empty()) return delta;
  const std::vector<double> h = gradient_step(m, {.kept = kept, .after = delta});
  for (std::size_t q = 0; q < d; ++q)
    if (!removed[q]) delta[q] -= h[q];
  return delta;
}

/// [F^-1]_QQ, with zeros for the weights that are not in Q.
class InverseOnSet final : public CurvatureOperator {
 public:
  InverseOnSet(const FisherInverse& inverse, const std::vector<bool>& set) : inverse_(inverse), set_(set) {}
  Index size() const override { return inverse_.size(); }
  void apply(std::span<const double> v, std::span<double> out) const override {
    inverse_.apply(v, out);
    for (std::size_t q = 0; q < out.size(); ++q)
      if (!set_[q]) out[q] = 0;
  }

 private:
  const FisherInverse& inverse_;
  const std::vector<bool>& set_;
};

/// x with [F^-1]_QQ x = r_Q on the set Q and x = 0 elsewhere, by conjugate
/// gradients preconditioned with the diagonal: for inverses that can only
/// be applied (K-FAC). What 2,000 products reach is good enough for a move.
std::vector<double> joint_multipliers(const QuadraticModel& m, const std::vector<bool>& removed) {
  std::vector<double> x(m.w.size(), 0.0), r(x.size(), 0.0);
  for (std::size_t q = 0; q < r.size(); ++q)
    if (removed[q]) r[q] = m.rest(q);
  const CgOptions options{
      .tolerance = 1e-11, .most_steps = 2000, .preconditioned_norm = true, .must_settle = false};
  conjugate_gradients(InverseOnSet(m.inverse(), removed), 0, r, x, options, m.inverse().diagonal());
  return x;
}

/// mu of mathematics.md section 4 for every removed weight alone: r_q / [F^-1]_qq.
std::vector<double> single_multipliers(const QuadraticModel& m, const std::vector<bool>& removed) {
  std::vector<double> mu(m.w.size(), 0.0);
  const std::span<const double> diagonal = m.inverse().diagonal();
  for (std::size_t q = 0; q < mu.size(); ++q)
    if (removed[q]) mu[q] = m.rest(q) / diagonal[q];
  return mu;
}

}  // namespace

std::vector<double> gradient_step(const QuadraticModel& model) {
  return gradient_step(model, {.kept = *model.rows});
}

std::vector<double> compensate(const QuadraticModel& m, const Choice& choice, UpdateMode mode) {
  if (mode == UpdateMode::joint && m.kind->fits_subsets()) return joint_update(m, choice.removed);
  std::vector<double> delta(m.w.size(), 0.0);
  if (mode != UpdateMode::none) {  // -F^-1 sum_q mu_q e_q
    const std::vector<double> mu = mode == UpdateMode::joint     ? joint_multipliers(m, choice.removed)
                                   : !choice.multipliers.empty() ? choice.multipliers
                                                                 : single_multipliers(m, choice.removed);
    m.inverse().apply(mu, delta);
    for (double& v : delta) v = -v;
  }
  for (std::size_t q = 0; q < delta.size(); ++q) {
    if (!m.h.empty()) delta[q] -= m.h[q];
    if (choice.removed[q]) delta[q] = -m.w[q];
  }
  return delta;
}

Prediction predict_range(const GradientRows& rows, std::span<const double> g, std::span<const double> delta,
                         double damp, Range range) {
  const auto begin = static_cast<std::size_t>(range.begin), width = static_cast<std::size_t>(range.size());
  std::vector<double> projected(rows.rows());
  multiply_rows(rows, range, delta.subspan(begin, width), projected);
  Prediction p;
  for (const double x : projected) p.quadratic += x * x;
  p.quadratic /= 2 * std::max<double>(1, static_cast<double>(rows.rows()));
  for (std::size_t q = begin; q < begin + width; ++q) {
    p.linear += g[q] * delta[q];
    p.damping += 0.5 * damp * delta[q] * delta[q];
  }
  return p;
}

Prediction predict(const GradientRows& rows, std::span<const double> g, std::span<const double> delta,
                   double damp) {
  return predict_range(rows, g, delta, damp, {0, rows.cols()});
}

}  // namespace espalier
