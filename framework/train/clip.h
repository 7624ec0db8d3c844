// clip.h: gradients that are too long are made shorter before the optimizer steps along them.
#pragma once

#include "framework/nn/parameters.h"

namespace espalier {

/// Scales store.gradients() to the length `most` if their Euclidean norm over all parameters is greater. Returns the norm
/// as it was. The sum runs in an order that depends on the number of parameters alone.
double clip_gradients(ParameterStore& store, double most);

}  // namespace espalier
