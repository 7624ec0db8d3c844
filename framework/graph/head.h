// head.h: a network's classifier, for transfer: the layer whose units are the classes, made anew for others.
#pragma once

#include <set>
#include <string>

#include "framework/graph/graph.h"

namespace espalier {

/// Number of the step with weights whose units are the output: a linear layer, or a convolution before the mean over all
/// pixels (SqueezeNet). Throws Error(config) naming what is there instead.
std::size_t head_of(const Graph& graph);

/// The same network with `classes` units in that layer, which draws fresh weights: Glorot's, and a bias of 0. All other
/// parameters keep their initial values.
Graph with_new_head(const Graph& graph, int classes);

/// Names of the layer's parameters.
std::set<std::string> head_parameters(const Graph& graph);

}  // namespace espalier
