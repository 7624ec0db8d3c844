// fused_relu.h: how an op whose kernel has already applied ReLU enters the graph. Not an op of its own right.
#pragma once

#include "framework/ops/ops.h"

namespace espalier {

/// `z` holds relu(op(...)) computed in one pass, but is recorded as op alone. Adds the ReLU node, sharing the
/// buffer: the rule of ReLU needs only its output, and the rules of the op before it must not read theirs.
inline Var already_rectified(const Var& z) {
  return record("relu", {z}, Tensor(z.value()),
                [](const Inputs&, const Var& out, const Var& dy) { return keep_positive(dy, out); });
}

}  // namespace espalier
