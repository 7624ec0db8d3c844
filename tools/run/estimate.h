// estimate.h: what a run will need before it starts: memory by part, and work. A job that will not fit is
// refused with the settings that would.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "pruning/step/pruner.h"
#include "tools/run/session.h"

namespace espalier {

struct Estimate {
  std::vector<std::pair<std::string, double>> bytes;  ///< part -> bytes
  double available = 0;                               ///< bytes this process may still take
  double training_flop = 0, pruning_flop = 0, twin_flop = 0;
  bool streamed = false;           ///< images are made from pictures when they are needed
  double kept = 0;                 ///< bytes for those that are kept, which may be fewer
  int rows = 0, largest_rows = 0;  ///< prune.num_grads, and the largest that would fit
  double total() const;
};

Estimate estimate_run(const RunConfig& config, const Workbench& bench, const Pruner* pruner);
std::string describe(const Estimate& estimate);
/// Throws Error(memory) with the settings that would fit.
void require_fit(const Estimate& estimate);

}  // namespace espalier
