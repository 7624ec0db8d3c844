// mean_gradients.h: the reverse pass of a training step. It is a function of its own so that the benchmark
// times what the trainer runs.
#pragma once

#include "framework/nn/parameters.h"
#include "framework/train/recompute.h"

namespace espalier {

/// store.gradients() = gradient of the mean of `losses` [n], which must depend on the store's parameters.
/// Consumes the graph, as backward() does. With `recomputation` the losses come of its forward().
void mean_gradients(const Var& losses, ParameterStore& store, Recomputation* recomputation = nullptr);

}  // namespace espalier
