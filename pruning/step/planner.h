// planner.h: one pruning decision, without a network: from weights and gradients to the set that leaves and
// the move that the others make. Criterion x inverse x group x search x update, composed as the config says.
// The Pruner applies its plans; `sweep` and "damp": "auto" try many of them on the same gradients.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "pruning/step/prune_config.h"

namespace espalier {

/// Of a set: how much of all it holds.
double share(const std::vector<bool>& set);

/// Loss on held-out examples after a move of all prunable weights.
using MoveLoss = std::function<double(std::span<const double> delta)>;

struct Plan {
  std::vector<bool> removed;  ///< with those pruned before
  std::vector<double> delta;  ///< the move; removed weights end at exactly zero
  bool has_prediction = false;
  Prediction prediction = {};             ///< of the whole move
  std::vector<Prediction> by_layer = {};  ///< of each layer's part alone
  double flops_exponent = 0;              ///< as given, or as found for the target
  double sparsity() const;
};

class Planner {
 public:
  /// `data`: weights, the data's mean gradient, rows, layers and what is pruned already; without rows for
  /// criteria that need no gradients. The rest of the model is the config's. Builds the inverse (or takes it
  /// from `family`) and the gradient step, and takes every weight's saliency. `held_out` is needed for
  /// "step_search": "held_out". All that is referred to must outlive the planner.
  Planner(const PruneConfig& config, const QuadraticModel& data, std::span<const LayerView> layers,
          double damp, MoveLoss held_out = {}, InverseFamily* family = nullptr);
  Plan plan(double sparsity) const;
  /// The model around the weights as they are.
  const QuadraticModel& model() const { return first_; }
  /// The criterion's, of each weight, before any weighting by FLOPs.
  std::span<const double> saliency() const { return saliency_; }

 private:
  std::vector<double> examine(QuadraticModel& model) const;
  void shorten_on_held_out(QuadraticModel& model) const;
  QuadraticModel after(const Plan& so_far, const GradientRows* rows) const;
  Choice choose(const QuadraticModel& model, std::span<const double> saliency, double sparsity,
                double exponent) const;
  double exponent_for_target(const QuadraticModel& model, std::span<const double> saliency,
                             double sparsity) const;
  void decide(const QuadraticModel& model, std::span<const double> saliency, double sparsity,
              Plan& plan) const;
  void predict_into(Plan& plan) const;

  const PruneConfig& config_;
  const QuadraticModel& data_;
  std::span<const LayerView> layers_;
  MoveLoss held_out_;
  QuadraticModel first_;
  std::vector<double> saliency_;  // of first_
};

}  // namespace espalier
