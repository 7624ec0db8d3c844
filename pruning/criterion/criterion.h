// criterion.h: what the removal of a weight costs. One formula serves the whole family (mathematics.md
// sections 4 to 6):
//   rho_q = r_q^2 / (2 [F^-1]_qq),   r = w - h,   h = F^-1 g or 0
// magnitude is F = I, OBD a diagonal F, WoodFisher h = 0, WoodTaylor h = F^-1 g.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "pruning/inverse/inverse.h"

namespace espalier {

/// What a criterion may look at. Spans have d values, one per weight that may be pruned.
struct PruneState {
  std::span<const double> w{};
  std::span<const double> g{};             ///< mean gradient; empty if needs_gradients() is false
  const GradientRows* rows = nullptr;      ///< G, likewise
  const FisherInverse* inverse = nullptr;  ///< for the score; null unless needs_inverse()
  std::span<const double> step{};   ///< h, the gradient step to be subtracted; empty unless uses_step()
  std::span<const Range> blocks{};  ///< the inverse's
  const std::vector<bool>* pruned = nullptr;  ///< weights that are zero already; null: none
};

struct Criterion {
  virtual ~Criterion() = default;
  virtual void fields(Fields& f) = 0;
  virtual bool needs_gradients() const { return true; }
  virtual bool needs_inverse() const { return false; }
  /// WoodTaylor: the gradient is not taken to be zero, and survivors move by -h.
  virtual bool uses_step() const { return false; }
  /// score[q] >= 0; the smallest go first.
  /// For the Fisher family the predicted rise in loss, up to a constant.
  virtual void score(const PruneState& state, std::span<double> score) const = 0;
};

}  // namespace espalier
