// update.h: where the surviving weights move when a set Q of weights is removed, and what the quadratic model
// predicts.
#pragma once

#include <span>
#include <vector>

#include "pruning/criterion.h"

namespace espalier {

enum class UpdateMode {
  none,          ///< removed weights become zero, nothing else moves (but for the gradient step)
  simultaneous,  ///< the paper's: the sum of the single-weight updates of all removed weights
  joint          ///< exact for the set: the constrained minimum of the quadratic model
};

/// delta such that w + delta is the network after pruning; removed weights end at exactly w_q + delta_q = 0.
/// `removed` are the weights of Q; weights pruned before count as removed if they are 0 already, which costs
/// nothing. For `joint`, `settings`, `layers` and `damp` build the inverse on the kept weights.
struct JointContext {
  const InverseSettings* settings = nullptr;
  std::span<const Range> layers;
  double damp = 0;
};
std::vector<double> compensate(const PruneState& state, const std::vector<bool>& removed, UpdateMode mode,
                               const JointContext& joint);

/// Predicted loss change of a move delta: g'delta + 1/2 delta' F delta with the undamped, unblocked F = G'G /
/// N, and the same with damp/2 |delta|^2 added.
struct Prediction {
  double linear = 0, quadratic = 0, damping = 0;
  double change() const { return linear + quadratic; }
  double damped_change() const { return linear + quadratic + damping; }
};
Prediction predict(const GradientRows& rows, std::span<const double> g, std::span<const double> delta,
                   double damp);

}  // namespace espalier
