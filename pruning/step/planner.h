// planner.h: one pruning decision, without a network: from weights and gradients to the set that leaves and
// the move that the others make. Criterion x inverse x group x search x update, composed as the config says.
// The Pruner applies its plans; `sweep` and "damp": "auto" try many of them on the same gradients.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "pruning/step/prune_config.h"

namespace espalier {

/// What is to be decided on. Spans and references must outlive the planner.
struct PruneProblem {
  std::span<const double> w{};
  const GradientRows* rows = nullptr;  ///< null for criteria that need no gradients
  std::span<const double> g{};
  std::span<const LayerView> layers{};
  const std::vector<bool>& pruned;
  /// Loss on held-out examples after a move of all prunable weights; needed for "step_search": "held_out".
  std::function<double(std::span<const double> delta)> held_out = {};
};

struct Plan {
  std::vector<bool> removed;  ///< with those pruned before
  std::vector<double> delta;  ///< the move; removed weights end at exactly zero
  bool has_prediction = false;
  Prediction prediction;             ///< of the whole move
  std::vector<Prediction> by_layer;  ///< of each layer's part alone
  double flops_exponent = 0;         ///< as given, or as found for the target
};

class Planner {
 public:
  /// Builds the inverse (or takes it from `family`) and the gradient step, and scores every weight.
  Planner(const PruneConfig& config, const PruneProblem& problem, double damp,
          InverseFamily* family = nullptr);
  Plan plan(double sparsity) const;
  /// The criterion's score of each weight, before any weighting by FLOPs.
  std::span<const double> scores() const { return first_.scores; }
  const FisherInverse* inverse() const { return first_.inverse.get(); }
  std::span<const double> step() const { return first_.step; }

 private:
  /// The quadratic model around one point: what criteria and updates look at.
  struct Stage {
    std::vector<double> w, g, step, scores;
    std::vector<bool> pruned;
    std::unique_ptr<MaskedRows> masked;
    std::unique_ptr<FisherInverse> inverse;
    PruneState state;
  };
  void prepare(Stage& stage, InverseFamily* family) const;
  /// One choice and move from `stage`; returns the exponent used.
  double decide(const Stage& stage, double sparsity, std::vector<bool>& removed,
                std::vector<double>& delta) const;
  std::vector<bool> choose(const Stage& stage, double sparsity, double exponent,
                           std::vector<double>& multipliers) const;
  UpdateSettings update_settings(const Stage& stage) const;
  double macs_removed(const std::vector<bool>& removed) const;

  const PruneConfig& config_;
  const PruneProblem& problem_;
  double damp_;
  std::vector<Range> columns_, blocks_;
  std::vector<std::string> names_;
  Stage first_;
};

}  // namespace espalier
