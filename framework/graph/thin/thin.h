// thin.h: channels that pruning has killed leave a network physically. What is left is an ordinary network:
// smaller tensors, the same names, the same logits in evaluation.
#pragma once

#include <string>
#include <vector>

#include "framework/graph/graph.h"
#include "framework/graph/weights.h"

namespace espalier {

/// What a convolution or linear layer had and has.
struct ThinnedLayer {
  std::string name;
  Index outputs_before = 0, outputs = 0, weights_before = 0, weights = 0;
};

struct Thinned {
  Graph graph;
  Weights weights;
  Weights masks;                     ///< of the parameters that had one
  std::vector<ThinnedLayer> layers;  ///< in the order of the steps
  std::vector<std::string> notes;    ///< what stayed although it is constant, and why; a sentence each
};

/// Removes every channel (index on the last axis) whose readers all agree that it is dead: their weights for
/// it are 0, or it is the same number for every image and every pixel (zero filters, what bias and batch norm
/// make of them) and that number can move into the reader's bias. Moving is exact where the reader sees it at
/// every tap: in linear layers, and convolutions without padding; 0 needs no moving. Readers of readers
/// count: a channel that only dead channels read is dead. Channels that sums, batch norm, pooling, flatten, slices,
/// shuffles or groups of a convolution tie to each other leave together or stay; what is left of a shuffle may be an
/// order of its own (pick_channels). A value keeps at least one channel.
/// Inputs and outputs of the network, and what steps of other ops touch, stay whole. `masks` has tensors of 0
/// and 1 by name of parameter; parameters without one have none afterwards.
Thinned remove_dead_channels(const Graph& graph, const Weights& weights, const Weights& masks = {});

}  // namespace espalier
