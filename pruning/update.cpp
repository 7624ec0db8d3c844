#include "pruning/update.h"

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

/// delta_S = -(H_SS)^-1 H_SQ delta_Q, delta_Q = -w_Q (mathematics.md section 5), and where the gradient
/// counts the step
/// -(H_SS)^-1 g_S with its own dampening. With the columns of Q zeroed in G, the inverse restricted to S is
/// that of H_SS, and H_SQ delta_Q = G_S' (G_Q delta_Q) / N.
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

}  // namespace

std::vector<double> gradient_step(const GradientRows& kept, std::span<const double> g,
                                  const UpdateSettings& settings, std::span<const double> after,
                                  const GradientRows& rows) {
  std::vector<double> h(g.size());
  settings.inverse->build(kept, settings.layers, settings.step_damp)->apply(g, h);
  // The blocks each answer for the whole gradient, so their sum goes too far. The best length under the
  // quadratic model with all couplings: minimise over t in [0, 1]  g'(delta - t h) + 1/2 |G (delta - t h)|^2
  // / N.
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
                               const UpdateSettings& settings) {
  const std::size_t d = s.w.size();
  std::vector<double> delta(d, 0.0);
  if (mode == UpdateMode::joint && s.rows != nullptr) {
    joint_update(s, removed, settings, delta);
  } else {
    if (mode == UpdateMode::simultaneous && s.inverse != nullptr) {
      std::vector<double> multiplier(d, 0.0);
      const std::span<const double> diagonal = s.inverse->diagonal();
      for (std::size_t q = 0; q < d; ++q)
        if (removed[q])
          multiplier[q] = (s.w[q] - (s.step.empty() ? 0 : s.step[q])) / diagonal[q];  // mu of section 4
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

Prediction predict(const GradientRows& rows, std::span<const double> g, std::span<const double> delta,
                   double damp) {
  std::vector<double> projected(static_cast<std::size_t>(rows.rows()));
  multiply_rows(rows, {0, rows.cols()}, delta, projected);
  Prediction p;
  for (const double x : projected) p.quadratic += x * x;
  p.quadratic /= 2 * std::max<double>(1, static_cast<double>(rows.rows()));
  for (std::size_t q = 0; q < delta.size(); ++q) {
    p.linear += g[q] * delta[q];
    p.damping += 0.5 * damp * delta[q] * delta[q];
  }
  return p;
}

}  // namespace espalier
