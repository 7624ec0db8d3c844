// criterion.h: what the removal of a weight costs: its saliency. One formula serves the whole family
// (mathematics.md sections 4 to 6):
//   rho_q = r_q^2 / (2 [F^-1]_qq),   r = w - h,   h = F^-1 g or 0
// magnitude is F = I, OBD a diagonal F, WoodFisher h = 0, WoodTaylor h = F^-1 g.
#pragma once

#include <span>

#include "pruning/inverse/quadratic_model.h"

namespace espalier {

struct Criterion {
  virtual ~Criterion() = default;
  virtual void fields(Fields& f) = 0;
  virtual bool needs_gradients() const { return true; }
  virtual bool needs_inverse() const { return false; }
  /// Whether it takes apart the c x c inverse of each block, which only some inverses have.
  virtual bool needs_small_blocks() const { return false; }
  /// WoodTaylor: the gradient is not taken to be zero, and survivors move by -h.
  virtual bool uses_step() const { return false; }
  /// Throws Error(config) where saliency() would refuse blocks of these sizes.
  virtual void check(std::span<const Range> blocks) const { (void)blocks; }
  /// out[q] >= 0; the smallest go first. For the Fisher family the predicted rise in loss, up to a constant.
  virtual void saliency(const QuadraticModel& model, std::span<double> out) const = 0;
};

}  // namespace espalier
