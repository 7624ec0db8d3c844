#include "pruning/update.h"

#include <algorithm>

namespace espalier {
namespace {

/// delta_S = -(H_SS)^-1 (H_SQ delta_Q + g_S), delta_Q = -w_Q (mathematics.md section 5). With the columns of
/// Q zeroed in G, the inverse restricted to S is that of H_SS, and H_SQ delta_Q = G_S' (G_Q delta_Q) / N.
void joint_update(const PruneState& s, const std::vector<bool>& removed, const JointContext& joint,
                  std::vector<double>& delta) {
  const auto d = delta.size();
  const MaskedRows kept(*s.rows, removed);
  const auto inverse = joint.settings->build(kept, joint.layers, joint.damp);
  // Block by block, as the inverse: coupling across blocks is not part of the model.
  std::vector<double> target(d, 0.0), projected(static_cast<std::size_t>(s.rows->rows())), moved(d, 0.0);
  for (std::size_t q = 0; q < d; ++q)
    if (removed[q]) moved[q] = -s.w[q];
  const double n = std::max<double>(1, static_cast<double>(s.rows->rows()));
  for (const Range block : joint.settings->partition(joint.layers)) {
    const auto begin = static_cast<std::size_t>(block.begin), width = static_cast<std::size_t>(block.size());
    multiply_rows(*s.rows, block, std::span(moved).subspan(begin, width), projected);
    multiply_columns(kept, block, projected, std::span(target).subspan(begin, width));
  }
  for (std::size_t q = 0; q < d; ++q) target[q] = removed[q] ? 0 : target[q] / n + (s.g.empty() ? 0 : s.g[q]);
  inverse->apply(target, delta);
  for (double& v : delta) v = -v;
}

}  // namespace

std::vector<double> compensate(const PruneState& s, const std::vector<bool>& removed, UpdateMode mode,
                               const JointContext& joint) {
  const std::size_t d = s.w.size();
  std::vector<double> delta(d, 0.0);
  if (mode == UpdateMode::joint && s.rows != nullptr) {
    joint_update(s, removed, joint, delta);
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
