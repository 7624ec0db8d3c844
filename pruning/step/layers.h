// layers.h: the layers that a config prunes, and how their weights lie one after another as the columns of G.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "framework/nn/model.h"
#include "pruning/choice/groups.h"
#include "pruning/step/prune_config.h"

namespace espalier {

struct PrunableLayers {
  /// Those that `include` and `exclude` name, in parameter order, of the layers whose weights can be pruned.
  /// Throws Error(config) if none is left.
  PrunableLayers(const PruneConfig& config, const Model& model);

  std::vector<ParameterId> ids;
  /// A sentence for each layer that the group leaves alone although the patterns choose it: the network's outputs
  /// for filters, its inputs for channels.
  std::vector<std::string> left_alone;
  std::vector<LayerView> views;  ///< as criteria and selections see them; names are without ".weight"
  std::vector<Range> columns;    ///< of each among all prunable weights
  std::vector<Range> places;     ///< of each in the store
  Index weights() const { return columns.back().end; }

  /// Their values out of a flat array of the store, in float64.
  std::vector<double> gather(std::span<const Real> flat) const;
  /// The weights whose mask is zero.
  std::vector<bool> pruned(const ParameterStore& store) const;
  /// The weights w move by delta (empty: not at all); those of `removed` become exactly zero and masked, all
  /// others unmasked.
  void put(ParameterStore& store, std::span<const double> w, const std::vector<bool>& removed,
           std::span<const double> delta = {}) const;
};

}  // namespace espalier
