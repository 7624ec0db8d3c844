// selection.h: from scores to the set of weights to remove.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "framework/core/real.h"

namespace espalier {

enum class Ranking {
  layerwise,  ///< every layer to the target
  global      ///< one ranking over all layers; each ends where its weights rank
};
enum class MaskRule {
  exact,     ///< round(sparsity * n) weights are removed in all, ties broken by index
  threshold  ///< the published code's: the k-th largest score, k = ceil(n (1 - sparsity)), is the threshold;
             ///< only scores strictly greater stay (so k - 1 survive, fewer with ties)
};

struct SelectionSettings {
  Ranking scope = Ranking::global;
  MaskRule rule = MaskRule::exact;
  int min_kept_per_layer = 1;  ///< a layer with fewer weights left is Error(pruning)
};

/// removed[q] for every weight: those already `pruned`, and the lowest scores until `sparsity` is reached.
/// `layers` are the column ranges, `names` go into messages. Throws Error(pruning) if a layer would keep
/// fewer than min_kept_per_layer.
std::vector<bool> select(std::span<const double> scores, const std::vector<bool>& pruned, double sparsity,
                         std::span<const Range> layers, std::span<const std::string> names,
                         const SelectionSettings& settings);

/// Names that match any pattern of `include` (empty: all) and none of `exclude`; * stands for any characters,
/// ? for one. A pattern that matches nothing is Error(config) with "did you mean".
std::vector<std::size_t> match_names(const std::vector<std::string>& names,
                                     const std::vector<std::string>& include,
                                     const std::vector<std::string>& exclude);

}  // namespace espalier
