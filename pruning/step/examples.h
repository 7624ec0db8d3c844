// examples.h: which training examples a pruning step looks at.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "framework/data/image_set.h"
#include "pruning/step/prune_config.h"

namespace espalier {

/// Layers to prune, and for those that the group leaves alone although the patterns choose them (the outputs of
/// the network for filters, its inputs for channels), a sentence.
struct LayerChoice {
  std::vector<ParameterId> layers;
  std::vector<std::string> left_alone;
};
LayerChoice choose_layers(const PruneConfig& config, const Model& model);

/// Layers that `include` and `exclude` name, in parameter order, of those whose weights can be pruned. Throws
/// Error(config) if none is left.
std::vector<ParameterId> prunable_layers(const PruneConfig& config, const Model& model);

/// The examples of a step's gradients: the first num_grads * grad_batch_size of `listed`, or if that is empty
/// drawn by (seed, epoch, step). Throws Error(config) if the set has too few, Error(data) if the list names
/// one that it has not.
std::vector<Index> fisher_examples(const PruneConfig& config, const ImageSet& train,
                                   const std::vector<Index>& listed, std::uint64_t seed, int epoch, int step);

/// held_out_examples others (fewer if the set has no more; all of them if there are no others).
std::vector<Index> held_out_examples(const PruneConfig& config, const ImageSet& train,
                                     const std::vector<Index>& of_fisher, std::uint64_t seed, int epoch,
                                     int step);

}  // namespace espalier
