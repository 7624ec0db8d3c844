#include "pruning/update/update.h"

#include <algorithm>
#include <cmath>

namespace espalier {
namespace {

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

std::vector<double> limited(std::vector<double> h, double limit) {
  const double length = std::sqrt(dot(h, h));
  if (limit > 0 && length > limit)
    for (double& x : h) x *= limit / length;
  return h;
}

/// delta_S = -(F_SS)^-1 F_SQ delta_Q, delta_Q = -w_Q (mathematics.md section 5), and where the gradient
/// counts the step -(F_SS)^-1 g_S with its own dampening. With the columns of Q zeroed in G, the inverse
/// restricted to S is that of F_SS, and F_SQ delta_Q = G_S' (G_Q delta_Q) / N.
void joint_update(const PruneState& s, const std::vector<bool>& removed, const UpdateSettings& settings,
                  std::vector<double>& delta) {
  const auto d = delta.size();
  const MaskedRows kept(*s.rows, removed);
  std::vector<double> coupling(d, 0.0), projected(static_cast<std::size_t>(s.rows->rows())), moved(d, 0.0);
  for (std::size_t q = 0; q < d; ++q)
    if (removed[q]) moved[q] = -s.w[q];
  const double n = std::max<double>(1, static_cast<double>(s.rows->rows()));
  // Block by block, as the inverse: coupling across blocks is not part of the model.
  for (const Range block : settings.inverse->partition(settings.layers)) {
    const auto begin = static_cast<std::size_t>(block.begin), width = static_cast<std::size_t>(block.size());
    multiply_rows(*s.rows, block, std::span(moved).subspan(begin, width), projected);
    multiply_columns(kept, block, projected, std::span(coupling).subspan(begin, width));
  }
  for (std::size_t q = 0; q < d; ++q) coupling[q] = removed[q] ? 0 : coupling[q] / n;
  settings.inverse->build(kept, settings.layers, settings.damp)->apply(coupling, delta);
  for (std::size_t q = 0; q < d; ++q) delta[q] = removed[q] ? -s.w[q] : -delta[q];
  if (s.step.empty()) return;
  const std::vector<double> h = gradient_step(kept, s.g, settings, delta, *s.rows);
  for (std::size_t q = 0; q < d; ++q)
    if (!removed[q]) delta[q] -= h[q];
}

/// x with [F^-1]_QQ x = r on the set Q and x = 0 elsewhere, by conjugate gradients preconditioned with the
/// diagonal: for inverses that can only be applied (K-FAC).
std::vector<double> solve_on_set(const FisherInverse& inverse, const std::vector<bool>& removed,
                                 const std::vector<double>& r) {
  constexpr int most_iterations = 2000;
  constexpr double tolerance = 1e-11;
  const std::size_t d = r.size();
  const std::span<const double> diagonal = inverse.diagonal();
  std::vector<double> x(d, 0.0), residual = r, z(d, 0.0), p, product(d);
  const auto precondition = [&] {
    for (std::size_t q = 0; q < d; ++q) z[q] = removed[q] ? residual[q] / diagonal[q] : 0;
  };
  precondition();
  p = z;
  double rz = dot(residual, z);
  const double goal = tolerance * tolerance * rz;
  for (int i = 0; i < most_iterations && rz > goal; ++i) {
    inverse.apply(p, product);
    for (std::size_t q = 0; q < d; ++q)
      if (!removed[q]) product[q] = 0;
    const double step = rz / dot(p, product);
    for (std::size_t q = 0; q < d; ++q) {
      x[q] += step * p[q];
      residual[q] -= step * product[q];
    }
    precondition();
    const double next = dot(residual, z);
    for (std::size_t q = 0; q < d; ++q) p[q] = z[q] + next / rz * p[q];
    rz = next;
  }
  return x;
}

}  // namespace

std::vector<double> gradient_step(const GradientRows& kept, std::span<const double> g,
                                  const UpdateSettings& settings, std::span<const double> after,
                                  const GradientRows& rows) {
  std::vector<double> h(g.size());
  settings.inverse->build(kept, settings.layers, settings.step_damp)->apply(g, h);
  // The blocks each answer for the whole gradient, so their sum goes too far. The best length under the
  // quadratic model with all couplings: minimise over t in [0, 1]
  //   g'(delta - t h) + 1/2 |G (delta - t h)|^2 / N.
  const auto n = static_cast<std::size_t>(rows.rows());
  std::vector<double> gh(n), gd(n, 0.0);
  if (!settings.step_search) return limited(std::move(h), settings.step_limit);
  multiply_rows(kept, {0, kept.cols()}, h, gh);
  if (!after.empty()) multiply_rows(rows, {0, rows.cols()}, after, gd);
  const double curvature = dot(gh, gh) / static_cast<double>(n);
  const double slope = dot(g, h) + dot(gd, gh) / static_cast<double>(n);
  const double t = curvature > 0 ? std::clamp(slope / curvature, 0.0, 1.0) : 1;
  for (double& x : h) x *= t;
  return limited(std::move(h), settings.step_limit);
}

std::vector<double> compensate(const PruneState& s, const std::vector<bool>& removed, UpdateMode mode,
                               const UpdateSettings& settings, std::span<const double> multipliers) {
  const std::size_t d = s.w.size();
  std::vector<double> delta(d, 0.0);
  if (mode == UpdateMode::joint && s.rows != nullptr && settings.inverse->fits_subsets()) {
    joint_update(s, removed, settings, delta);
  } else {
    if (mode != UpdateMode::none && s.inverse != nullptr) {
      std::vector<double> multiplier(d, 0.0), r(d, 0.0);
      for (std::size_t q = 0; q < d; ++q)
        if (removed[q]) r[q] = s.w[q] - (s.step.empty() ? 0 : s.step[q]);
      if (mode == UpdateMode::joint) {
        multiplier = solve_on_set(*s.inverse, removed, r);
      } else if (!multipliers.empty()) {
        std::copy(multipliers.begin(), multipliers.end(), multiplier.begin());
      } else {
        const std::span<const double> diagonal = s.inverse->diagonal();
        for (std::size_t q = 0; q < d; ++q) multiplier[q] = r[q] / diagonal[q];  // mu of section 4
      }
      s.inverse->apply(multiplier, delta);
      for (double& v : delta) v = -v;
    }
    if (!s.step.empty())
      for (std::size_t q = 0; q < d; ++q) delta[q] -= s.step[q];
  }
  for (std::size_t q = 0; q < d; ++q)
    if (removed[q]) delta[q] = -s.w[q];
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
