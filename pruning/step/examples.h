// examples.h: which training examples a pruning step looks at.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "framework/data/image_set.h"
#include "pruning/step/prune_config.h"

namespace espalier {

/// Which step of a run: with the run's seed it decides what is drawn.
struct StepKey {
  std::uint64_t seed = 1;
  int epoch = 0, step = 0;
};

/// The examples of a step's gradients: the first num_grads * grad_batch_size of those that index_file lists,
/// or if there is none drawn by `key`. Throws Error(config) if the set has too few, Error(data) if the list
/// names one that it has not.
std::vector<Index> fisher_examples(const PruneConfig& config, const ImageSet& train, StepKey key);

/// held_out_examples others (fewer if the set has no more; all of them if there are no others).
std::vector<Index> held_out_examples(const PruneConfig& config, const ImageSet& train,
                                     const std::vector<Index>& of_fisher, StepKey key);

}  // namespace espalier
