// one_weight.h: one weight of a network as `espalier explain --weight` and the report's lesson show it:
// what each criterion says of it, which other weights would take over, and what its removal does to the loss,
// predicted and measured.
#pragma once

#include <string>
#include <vector>

#include "pruning/step/site.h"

namespace espalier {

/// A weight's place in PyTorch's order: layer[o,i,h,w] of a convolution, layer[o,i] of a linear layer.
/// `column` counts over all prunable weights, as layer.columns does.
std::string weight_name(const LayerView& layer, Index column);

struct Opinion {
  std::string criterion;
  double saliency = 0;
  Index rank = 0;  ///< 1: goes first; ties by index
};

/// How many absorbers of a weight are shown.
constexpr std::size_t absorbers_shown = 10;

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

  double damp() const { return planner_.model().damp; }
  const NetworkRows& rows() const { return site_.rows(); }
  std::span<const ParameterId> parameters() const { return site_.layers().ids; }
  std::span<const LayerView> layers() const { return site_.views(); }
  const LayerView& layer_of(Index column) const;
  std::span<const double> weights() const { return site_.data().w; }
  const std::vector<bool>& pruned() const { return site_.data().pruned; }
  const ImageExamples& examples() const { return site_.examples(); }
  const FisherInverse& inverse() const { return planner_.model().inverse(); }
  /// Saliencies of every weight by each criterion that ranks weights alone, those that take least into
  /// account first: "magnitude", "diagonal_fisher", "woodfisher", "woodtaylor".
  const std::vector<std::pair<std::string, std::vector<double>>>& saliencies() const { return saliencies_; }

  std::vector<Opinion> opinions(Index column) const;
  /// The weights that WoodFisher moves most, at most `most`, the largest move first.
  std::vector<Absorber> absorbers(Index column, std::size_t most) const;
  /// Set to zero alone, after WoodFisher, and after WoodTaylor. `held_out`: measured on
  /// config.held_out_examples others too.
  std::vector<SingleRemoval> removals(Index column, bool held_out);
  /// Mean loss with all prunable weights moved by `delta` (empty: as they are), on the examples of the
  /// gradients and on the others.
  double loss(std::span<const double> delta = {}) { return site_.trial().loss(delta); }
  double held_out_loss() { return site_.held_out().loss(); }

 private:
  std::vector<double> woodfisher_move(Index column) const;
  Choice alone(Index column) const;

  PruningSite site_;
  Planner planner_;
  std::vector<std::pair<std::string, std::vector<double>>> saliencies_;
};

}  // namespace espalier
