// reach.h: the largest sparsity that a choice of groups can come to in a network, known before anything is run.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "pruning/choice/selection.h"

namespace espalier {

/// How many weights of a layer may leave at most: those of whole groups, for N:M the M - N of each, but never so
/// many that fewer than min_kept are left, nor all of one class. `pruned` are those that are gone already.
Index most_removed(const LayerView& layer, const GroupSettings& groups, const std::vector<bool>& pruned,
                   int min_kept);

/// Why `sparsity` cannot be reached, with what can be, for every layer or the ranking as a whole; empty if it
/// can, to half a group.
std::vector<std::string> out_of_reach(double sparsity, std::span<const LayerView> layers,
                                      const GroupSettings& groups, const std::vector<bool>& pruned,
                                      const SelectionSettings& settings);

}  // namespace espalier
