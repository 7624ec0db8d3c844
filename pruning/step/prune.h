// prune.h: one pruning step of a network in memory: no trainer, no run folder. What it is made of (PruningSite,
// Planner, Trial) can be called one by one instead; tools/examples shows both.
#pragma once

#include "pruning/step/site.h"

namespace espalier {

struct PruneResult {
  double sparsity = 0;                     ///< share of the prunable weights that are zero and masked now
  double damp = 0;                         ///< as configured, or as chosen by "auto"
  double loss_before = 0, loss_after = 0;  ///< nats, mean over the step's own examples
  Prediction predicted = {};               ///< of the whole move; zero for criteria without gradients
  double change() const { return loss_after - loss_before; }
};

/// Removes the weights of least saliency until `sparsity` (0 <= sparsity < 1) of the prunable ones are gone, lets
/// the others move as config.update says, and re-estimates batch norm if config.recalibrate_batch_norm. Schedule
/// and num_recomputations of the config play no part. `seed` decides which examples are drawn. Throws
/// Error(config) for what does not combine or cannot be reached, Error(numeric) if the loss is not finite after it.
PruneResult prune(Model& model, const LoadedData& data, const PruneConfig& config, double sparsity,
                  std::uint64_t seed = 1);

}  // namespace espalier
