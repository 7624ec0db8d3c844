// selection.h: from saliencies to the set of weights to remove, each weight on its own. Sets: candidates.h.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "pruning/choice/groups.h"
#include "pruning/criterion/criterion.h"

namespace espalier {

enum class Ranking {
  layerwise,  ///< every layer to the target
  global      ///< one ranking over all layers; each ends where its weights rank
};
enum class MaskRule {
  exact,     ///< round(sparsity * n) weights are removed in all, ties broken by index
  threshold  ///< the published code's: the k-th largest saliency, k = ceil(n (1 - sparsity)), is the
             ///< threshold; only those strictly greater stay (so k - 1 survive, fewer with ties)
};

struct SelectionSettings {
  Ranking scope = Ranking::global;
  MaskRule rule = MaskRule::exact;
  int min_kept_per_layer = 1;  ///< a layer with fewer weights left is Error(pruning)
  /// How many weights of `layer` must stay.
  Index least_kept(Range layer) const { return std::min<Index>(min_kept_per_layer, layer.size()); }
};

/// The stretches that are ranked on their own: all columns, or every layer.
std::vector<Range> ranking_ranges(std::span<const Range> layers, Ranking scope);

/// removed[q] for every weight: those already `pruned`, and the lowest saliencies until `sparsity` is
/// reached. Throws Error(pruning) if a layer would keep fewer than min_kept_per_layer, Error(numeric) if a
/// saliency is not finite.
std::vector<bool> select(std::span<const double> saliency, const std::vector<bool>& pruned, double sparsity,
                         std::span<const LayerView> layers, const SelectionSettings& settings);

/// Classes that have no weight left in the layer of the network's outputs; empty for other layers.
std::vector<Index> classes_without_weights(const std::vector<bool>& removed, const LayerView& layer);

/// Throws Error(pruning) naming the layer that `removed` would cut through.
void require_kept(const std::vector<bool>& removed, std::span<const LayerView> layers, double sparsity,
                  const SelectionSettings& settings);

}  // namespace espalier
