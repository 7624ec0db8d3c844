#include "framework/nn/packed_weights.h"

#include "framework/ops/ops.h"

namespace espalier {

const Tensor& PackedWeights::linear(ParameterId id, const Var& w, const Var& bias) {
  const std::lock_guard lock(guard_);
  Tensor& packed = linear_[id];
  if (packed.empty()) packed = packed_linear(w, bias);
  return packed;
}

}  // namespace espalier
