// packed_weights.h: weights in the order in which the kernels read them, kept over many passes.
#pragma once

#include <map>
#include <mutex>

#include "framework/autograd/var.h"

namespace espalier {

/// Filled by the passes that are given it (Pass::packed). Holds the weights as they were: after any change of
/// weights begin with a new one. Safe from several threads.
class PackedWeights {
 public:
  /// Weight `id` of a linear layer [out, in] together with its bias, which may be empty.
  const Tensor& linear(ParameterId id, const Var& w, const Var& bias);

 private:
  std::mutex guard_;
  std::map<ParameterId, Tensor> linear_;
};

}  // namespace espalier
