// update.h: where the surviving weights move when a set Q of weights is removed,
// and what the quadratic model predicts.
#pragma once

#include <span>
#include <vector>

#include "pruning/criterion/criterion.h"

namespace espalier {

enum class UpdateMode {
  none,          ///< removed weights become zero, nothing else moves (but for the gradient step)
  simultaneous,  ///< the paper's: the sum of the single-weight updates of all removed weights
  joint          ///< exact for the set: the constrained minimum of the quadratic model
};

struct UpdateSettings {
  const InverseSettings* inverse = nullptr;
  std::span<const Range> layers{};
  double damp = 0;          ///< of the compensation
  double step_damp = 0;     ///< of the gradient step
  double step_limit = 0;    ///< largest norm of the gradient step; 0: none
  bool step_search = true;  ///< shorten the step to the best length under the quadratic model
};

/// WoodTaylor's h = F^-1 g, to be subtracted from the weights: with its own dampening, and shortened to the
/// length that the quadratic model over all weights (rows, no blocks) finds best after the move `after`
/// (empty: none). `kept` is G with the columns of removed weights zeroed, or G itself.
std::vector<double> gradient_step(const GradientRows& kept, std::span<const double> g,
                                  const UpdateSettings& settings, std::span<const double> after,
                                  const GradientRows& rows);

/// delta such that w + delta is the network after pruning; removed weights end at exactly w_q + delta_q = 0.
/// Weights that were pruned before count as removed: they are 0 already, so they cost and move nothing.
/// `joint` takes the gradient step on the kept weights if state.step is given (its values are for the
/// score only).
/// `multipliers` are those of the removed weights where they left in sets; empty: each on its own,
/// r_q / [F^-1]_qq.
std::vector<double> compensate(const PruneState& state, const std::vector<bool>& removed, UpdateMode mode,
                               const UpdateSettings& settings, std::span<const double> multipliers = {});

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
