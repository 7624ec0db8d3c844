// search.h: better sets than the top of the ranking. Which k weights to remove is the l0
// problem of mathematics.md section 5,
//   min over delta  1/2 |G delta|^2 / N + g'delta + 1/2 damp |delta|^2   with  w + delta having k zeros,
// and scores of single weights only approximate it: they don't know who else leaves. A search starts from
// their choice and keeps a change only if the objective, after the joint update, falls.
#pragma once

#include <memory>
#include <vector>

#include "pruning/choice/selection.h"
#include "pruning/update/update.h"

namespace espalier {

/// What a search works on. g is empty where the gradient is taken as zero.
struct SearchProblem {
  PruneState state{};
  UpdateSettings update{};
  std::span<const Range> ranges{};  ///< stretches whose counts must stay: all columns, or each layer
  std::span<const int> layer_of{};  ///< layer of each weight, and how many of it must stay
  std::span<const Index> min_kept{};
};

/// A set, its joint update and the objective there.
struct SearchPoint {
  std::vector<bool> removed;
  std::vector<double> delta;
  double objective = 0;
};
SearchPoint evaluate_set(const SearchProblem& problem, std::vector<bool> removed);

struct SetSearch {
  virtual ~SetSearch() = default;
  virtual void fields(Fields& f) = 0;
  /// False: the ranking's set is taken as it is.
  virtual bool searches() const { return true; }
  /// A set of the same size in every range, no worse than `start`. Weights pruned before stay pruned.
  virtual SearchPoint improve(const SearchProblem& problem, SearchPoint start) const = 0;
};

}  // namespace espalier
