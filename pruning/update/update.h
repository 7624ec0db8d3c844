// update.h: where the surviving weights move when a set Q of weights is removed,
// and what the quadratic model predicts.
#pragma once

#include <span>
#include <vector>

#include "pruning/inverse/quadratic_model.h"

namespace espalier {

/// Which weights leave.
struct Choice {
  std::vector<bool> removed;  ///< with those that were pruned before
  /// Lagrange multipliers ([F^-1]_QQ)^-1 r_Q where weights
  /// leave in sets; empty: each on its own, r_q / [F^-1]_qq.
  std::vector<double> multipliers = {};
};

enum class UpdateMode {
  none,          ///< removed weights become zero, nothing else moves (but for the gradient step)
  simultaneous,  ///< the paper's: the sum of the single-weight updates of all removed weights
  joint          ///< exact for the set: the constrained minimum of the quadratic model
};

/// WoodTaylor's h = F^-1 g, to be subtracted from the weights: with the model's step_damp, and, if
/// shorten_step, with the length in [0, 1] that the quadratic model over all weights (no blocks) finds best.
std::vector<double> gradient_step(const QuadraticModel& model);

/// delta such that w + delta is the network after pruning; removed weights end at
/// exactly w_q + delta_q = 0. Weights that were pruned before count as removed: they
/// are 0 already, so they cost and move nothing. `joint` takes the gradient step
/// anew, on the kept weights, if the model has one (its h is for the saliency only).
std::vector<double> compensate(const QuadraticModel& model, const Choice& choice, UpdateMode mode);

/// Predicted loss change of a move delta: g'delta + 1/2 delta' F delta with the undamped, unblocked
/// F = G'G / N, and the same with damp/2 |delta|^2 added.
struct Prediction {
  double linear = 0, quadratic = 0, damping = 0;
  double change() const { return linear + quadratic; }
  double damped_change() const { return linear + quadratic + damping; }
};
Prediction predict(const GradientRows& rows, std::span<const double> g, std::span<const double> delta,
                   double damp);
/// The same for the move of the columns `range` alone.
Prediction predict_range(const GradientRows& rows, std::span<const double> g, std::span<const double> delta,
                         double damp, Range range);

}  // namespace espalier
