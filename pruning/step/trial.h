// trial.h: what a move of the prunable weights does to the real network, measured and undone.
#pragma once

#include <span>
#include <vector>

#include "framework/data/preprocess.h"
#include "framework/nn/model.h"
#include "pruning/choice/groups.h"

namespace espalier {

/// The values of `layers`' weights out of a flat array of the store, in float64.
std::vector<double> gather(std::span<const Real> values, const ParameterStore& store,
                           std::span<const ParameterId> layers);

/// Puts a decision into the store: the weights w of `layers` move by delta, removed ones become exactly zero
/// and masked, all others unmasked.
void put_decision(ParameterStore& store, std::span<const ParameterId> layers, std::span<const double> w,
                  const std::vector<bool>& removed, std::span<const double> delta);

/// The layers as criteria and selections see them. Names are without ".weight".
std::vector<LayerView> layer_views(const Model& model, std::span<const ParameterId> layers);

class Trial {
 public:
  Trial(Model& model, std::span<const ParameterId> layers, const ImageSet& set,
        const Preprocessing& preprocessing, std::vector<Index> examples);
  /// Mean loss of the examples with the prunable weights moved by `delta`; empty: as they are. The weights
  /// are as before afterwards, also if it throws.
  double loss(std::span<const double> delta = {});
  /// The same with only the columns `range` moved.
  double loss_of_part(std::span<const double> delta, Range range);

 private:
  Model& model_;
  std::vector<Range> places_;  // of each layer in the store
  const ImageSet& set_;
  const Preprocessing& preprocessing_;
  std::vector<Index> examples_;
};

}  // namespace espalier
