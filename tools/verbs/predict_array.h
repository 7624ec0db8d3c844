// predict_array.h: numbers of a .npy file through a network.
#pragma once

#include "tools/verbs/predict.h"

namespace espalier {

/// Reads options.input, writes options.output. Throws Error(data) if the array is not float32 [n, c, h, w] (or
/// [n, features]) of extents that the network takes.
void predict_array(const PredictOptions& options);

}  // namespace espalier
