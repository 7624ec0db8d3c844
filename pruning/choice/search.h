// search.h: better sets than the top of the ranking. Which k weights to remove is the l0
// problem of mathematics.md section 5,
//   min over delta  1/2 |G delta|^2 / N + g'delta + 1/2 damp |delta|^2   with  w + delta having k zeros,
// and saliencies of single weights only approximate it: they don't know who else leaves. A search starts from
// their choice and keeps a change only if the objective, after the joint update, falls.
#pragma once

#include <vector>

#include "pruning/choice/selection.h"
#include "pruning/update/update.h"

namespace espalier {

struct SetSearch {
  virtual ~SetSearch() = default;
  virtual void fields(Fields& f) = 0;
  /// False: the ranking's set is taken as it is.
  virtual bool searches() const { return true; }
  /// A set of the same size in every range that `selection` ranks on its own, no worse than `start`, that
  /// leaves each layer what it must keep. Weights pruned before stay pruned.
  virtual Choice improve(const QuadraticModel& model, Choice start,
                         const SelectionSettings& selection) const = 0;
};

/// The objective's value with `removed` gone, after the joint update.
double loss_without(const QuadraticModel& model, const std::vector<bool>& removed);

}  // namespace espalier
