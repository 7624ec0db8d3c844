// auto_damp.h: "damp": "auto". Which dampening suits a step is measured: every candidate makes its plan from
// one decomposition of G G', the network tries it on held-out examples, and the smallest loss wins.
#pragma once

#include <string>
#include <vector>

#include "pruning/step/planner.h"
#include "pruning/step/trial.h"

namespace espalier {

struct DampTrial {
  double damp = 0;
  double predicted = 0;  ///< loss change by the quadratic model
  double measured = 0;   ///< loss change on the held-out examples
};

struct DampChoice {
  double damp = 0;
  std::vector<DampTrial> trials;
  std::string reason;  ///< a sentence for people
};

/// Tries one dampening per decade, from 1e-8 (or a tenth of the smallest curvature other than zero, where
/// that is known and larger) to the largest curvature, at the given sparsity. Where the loss is the same to 1
/// %, the larger dampening is taken: it moves the weights less.
/// `data` is that of a Planner.
DampChoice choose_damp(const PruneConfig& config, const QuadraticModel& data,
                       std::span<const LayerView> layers, double sparsity, Trial& held_out);

}  // namespace espalier
