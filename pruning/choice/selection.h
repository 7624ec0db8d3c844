// selection.h: from scores to the set of weights to remove.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "framework/core/real.h"
#include "pruning/choice/groups.h"
#include "pruning/criterion/criterion.h"

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

/// The stretches that are ranked on their own: all columns, or every layer.
std::vector<Range> ranking_ranges(std::span<const Range> layers, Ranking scope);

/// removed[q] for every weight: those already `pruned`, and the lowest scores until `sparsity` is reached.
/// `layers` are the column ranges, `names` go into messages. Throws Error(pruning) if a layer would keep
/// fewer than min_kept_per_layer.
std::vector<bool> select(std::span<const double> scores, const std::vector<bool>& pruned, double sparsity,
                         std::span<const Range> layers, std::span<const std::string> names,
                         const SelectionSettings& settings);

/// A set of weights that may leave together.
struct Candidate {
  std::vector<Index> members;
  double cost = 0;  ///< rho_Q; the sum of scores for criteria without an inverse
  std::vector<double>
      multipliers;  ///< ([F^-1]_QQ)^-1 r_Q, the Lagrange multipliers of its removal; may be empty
};

/// The candidates of `layers`: of each set of `groups` the members that leave next, for N:M the cheapest of
/// all choices. `scores` are those of the single weights. Sets that have lost enough already are left out.
std::vector<Candidate> group_candidates(const PruneState& state, const Criterion& criterion,
                                        std::span<const double> scores, const GroupSettings& groups,
                                        std::span<const LayerView> layers, const std::vector<bool>& pruned);

/// As select(), for sets: lowest cost per weight first, as long as that brings the number removed closer to
/// sparsity * n. Returns also the multipliers of the removed weights (empty if the candidates have none).
struct GroupChoice {
  std::vector<bool> removed;
  std::vector<double> multipliers;
};
GroupChoice select_groups(std::span<const Candidate> candidates, const std::vector<bool>& pruned,
                          double sparsity, std::span<const LayerView> layers,
                          const SelectionSettings& settings);

/// Divides scores by (multiply-adds per weight of the layer)^exponent, so that weights in layers that cost
/// more go first.
void weigh_by_flops(std::span<double> scores, std::span<const LayerView> layers, double exponent);

/// Names that match any pattern of `include` (empty: all) and none of `exclude`; * stands for any characters,
/// ? for one. A pattern that matches nothing is Error(config) with "did you mean".
std::vector<std::size_t> match_names(const std::vector<std::string>& names,
                                     const std::vector<std::string>& include,
                                     const std::vector<std::string>& exclude);

}  // namespace espalier
