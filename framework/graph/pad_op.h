// pad_op.h: zeros around an image as a step of their own, where no convolution or pooling takes them into its padding.
#pragma once

#include "framework/core/shape.h"
#include "framework/graph/op_table.h"

namespace espalier {

/// {h, w, c} -> {top + h + bottom, left + w + right, c}
struct PadOp final : OpOf<PadOp> {
  Index top = 0, left = 0, bottom = 0, right = 0;
  PadOp() = default;
  PadOp(Index t, Index l, Index b, Index r) : top(t), left(l), bottom(b), right(r) {}
  const char* type() const override { return "pad"; }
  void fields(Fields& f) override;
  Shape shape(std::span<const Shape> in) const override;
  Var apply(std::span<const Var> in, const StepWeights& own, Pass& pass) const override;
};

/// Images [n, h, w, c] with zeros around them; crop_pixels is its adjoint.
Var pad_pixels(const Var& x, const Border& border);
Var crop_pixels(const Var& x, const Border& border);

}  // namespace espalier
