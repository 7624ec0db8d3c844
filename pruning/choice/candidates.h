// candidates.h: sets of weights that leave together: what each costs, and which go.
#pragma once

#include <span>
#include <vector>

#include "pruning/choice/selection.h"
#include "pruning/criterion/criterion.h"
#include "pruning/update/update.h"

namespace espalier {

/// A set of weights that may leave together.
struct Candidate {
  std::vector<Index> members;
  double cost = 0;  ///< rho_Q; the sum of saliencies for criteria without an inverse
  /// ([F^-1]_QQ)^-1 r_Q, the Lagrange multipliers of its removal; may be empty.
  std::vector<double> multipliers;
};

/// The candidates of `layers`: of each set of `groups` the members that leave next, for N:M the cheapest of
/// all choices. `saliency` is that of the single weights. Sets that have lost enough already are left out.
std::vector<Candidate> group_candidates(const QuadraticModel& model, const Criterion& criterion,
                                        std::span<const double> saliency, const GroupSettings& groups,
                                        std::span<const LayerView> layers);

/// As select(), for sets: lowest cost per weight first, as long as that brings the number removed closer to
/// sparsity * n. With the multipliers of the removed weights (empty if the candidates have none).
Choice select_groups(std::span<const Candidate> candidates, const std::vector<bool>& pruned, double sparsity,
                     std::span<const LayerView> layers, const SelectionSettings& settings);

}  // namespace espalier
