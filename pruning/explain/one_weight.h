// one_weight.h: one weight of a network as `espalier explain --weight` and the report's visual tour show it:
// what each criterion says of it, which other weights would take over, and what its removal does to the loss,
// predicted and measured.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "framework/data/data_config.h"
#include "pruning/step/planner.h"
#include "pruning/step/trial.h"

namespace espalier {

/// A weight's place in PyTorch's order: layer[o,i,h,w] of a convolution, layer[o,i] of a linear layer.
/// `column` counts over all prunable weights, as layer.columns does.
std::string weight_name(const LayerView& layer, Index column);

struct Opinion {
  std::string criterion;
  double score = 0;
  Index rank = 0;  ///< 1: goes first; ties by index
};

struct Absorber {
  Index column = 0;
  double value = 0, delta = 0;
};

/// A weight removed alone.
struct SingleRemoval {
  std::string update;    ///< what the other weights do
  Prediction predicted;  ///< by the unblocked empirical Fisher
  double measured = 0;   ///< loss change on the examples of the gradients
  double held_out = 0;   ///< ... on others; NaN if those were not asked for
};

class WeightStudy {
 public:
  /// Curvature as `config` measures it, from the examples of a first step (epoch 0): the gradients and one
  /// inverse, for any number of weights. `config`'s criterion becomes "woodtaylor" (all criteria are asked);
  /// "damp": "auto" is taken as 1e-5. Everything referred to must outlive the study.
  WeightStudy(Model& model, PruneConfig& config, const LoadedData& data, std::uint64_t seed);

  double damp() const { return damp_; }
  const Gradients& gradients() const { return *gradients_; }
  std::span<const ParameterId> parameters() const { return parameters_; }
  std::span<const LayerView> layers() const { return views_; }
  const LayerView& layer_of(Index column) const;
  std::span<const double> weights() const { return w_; }
  const std::vector<bool>& pruned() const { return pruned_; }
  const std::vector<Index>& examples() const { return examples_; }
  const FisherInverse& inverse() const { return *planner_->inverse(); }
  /// Scores of every weight by each of the criteria "magnitude", "diagonal_fisher",
  /// "woodfisher", "woodtaylor".
  const std::vector<std::pair<std::string, std::vector<double>>>& scores() const { return scores_; }

  std::vector<Opinion> opinions(Index column) const;
  /// The weights that WoodFisher moves most, at most `most`, the largest move first.
  std::vector<Absorber> absorbers(Index column, std::size_t most) const;
  /// Set to zero alone, after WoodFisher, and after WoodTaylor. `held_out`: measured on
  /// config.held_out_examples others too.
  std::vector<SingleRemoval> removals(Index column, bool held_out);
  /// Mean loss with all prunable weights moved by `delta` (empty: as they are), on the examples of the
  /// gradients and on the others.
  double loss(std::span<const double> delta = {}) { return same_->loss(delta); }
  double held_out_loss() { return others_->loss(); }

 private:
  PruneState state() const;
  std::vector<double> woodfisher_move(Index column) const;
  std::vector<bool> alone(Index column) const;

  PruneConfig& config_;
  double damp_;
  std::vector<ParameterId> parameters_;
  std::vector<LayerView> views_;
  std::vector<Index> examples_;
  std::vector<double> w_;
  std::vector<bool> pruned_;
  std::unique_ptr<Gradients> gradients_;
  std::unique_ptr<PruneProblem> problem_;
  std::unique_ptr<Planner> planner_;
  std::vector<std::pair<std::string, std::vector<double>>> scores_;
  std::unique_ptr<Trial> same_, others_;
};

}  // namespace espalier
