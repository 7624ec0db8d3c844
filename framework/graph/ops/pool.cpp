// pool.cpp: poolings and flatten as ops of graphs.
#include "framework/graph/ops.h"
#include "framework/graph/ops/rules.h"

namespace espalier {

void PoolSettings::fields(Fields& f) {
  f.sides("kernel", {&kernel_h, &kernel_w}, "rows and columns of the window", {.low = 1});
  f.sides("stride", {&stride_h, &stride_w}, "pixels between windows; 0: the kernel's extent", {.low = 0});
}

Shape PoolSettings::shape(const Shape& in) const {
  const Shape& image = rules::image(in);
  return {rules::windows("height", image[0], kernel_h, down()),
          rules::windows("width", image[1], kernel_w, across()), image[2]};
}

PoolGeometry PoolSettings::geometry(const Shape& image) const {
  return pool_geometry("pool", {1, image[0], image[1], image[2]}, kernel_h, down());
}

Var MaxPoolOp::apply(std::span<const Var> in, const StepWeights&, Pass&) const {
  const bool with_relu = joined_activation.kind == Activation::Kind::relu;
  const Var y = max_pool(in[0], pool.kernel_h, pool.down(), with_relu);
  return with_relu ? y : activate(y, joined_activation);
}

Var AveragePoolOp::apply(std::span<const Var> in, const StepWeights&, Pass&) const {
  return average_pool(in[0], pool.kernel_h, pool.down());
}

Shape GlobalAveragePoolOp::shape(std::span<const Shape> in) const { return {rules::image(in[0])[2]}; }
Var GlobalAveragePoolOp::apply(std::span<const Var> in, const StepWeights&, Pass&) const {
  return global_average_pool(in[0]);
}

Var FlattenOp::apply(std::span<const Var> in, const StepWeights&, Pass&) const {
  return in[0].shape().rank() == 2 ? in[0] : flatten(in[0]);
}

namespace {
const bool known = add_op<MaxPoolOp>("maximum over windows") && add_op<AveragePoolOp>("mean over windows") &&
                   add_op<GlobalAveragePoolOp>("mean over all pixels") &&
                   add_op<FlattenOp>("image to features");
}

}  // namespace espalier
