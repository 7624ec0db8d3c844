// pool.cpp: poolings and flatten as ops of graphs.
#include "framework/graph/ops.h"
#include "framework/graph/ops/rules.h"

namespace espalier {

void PoolSettings::fields(Fields& f) {
  f.sides("kernel", {&kernel_h, &kernel_w}, "rows and columns of the window", {.low = 1});
  f.sides("stride", {&stride_h, &stride_w}, "pixels between windows; 0: the kernel's extent", {.low = 0});
  f.sides("pad", {&pad_top, &pad_left, &pad_bottom, &pad_right},
          "pixels around the image, fewer than the window's; a list: above, left, below, right", {.low = 0});
  f("ceil_mode", ceil_mode, "a last window that hangs over the far border counts too");
}

void AveragePoolOp::fields(Fields& f) {
  pool.fields(f);
  f("count_include_pad", pool.count_include_pad, "the mean divides by the pixels of \"pad\" too");
}

PoolSpec PoolSettings::spec() const {
  return {.kernel = {kernel_h, kernel_w},
          .stride = {stride_h ? stride_h : kernel_h, stride_w ? stride_w : kernel_w},
          .pad = {pad_top, pad_left, pad_bottom, pad_right},
          .ceil_mode = ceil_mode,
          .count_padding = count_include_pad};
}

Shape PoolSettings::shape(const Shape& in) const {
  const Shape& image = rules::image(in);
  rules::windows("height", image[0] + pad_top + pad_bottom, kernel_h, 1);
  rules::windows("width", image[1] + pad_left + pad_right, kernel_w, 1);
  const Shape out = geometry(image).output(1);
  return {out[1], out[2], out[3]};
}

PoolGeometry PoolSettings::geometry(const Shape& image) const {
  return pool_geometry("pool", {1, image[0], image[1], image[2]}, spec());
}

Var MaxPoolOp::apply(std::span<const Var> in, const StepWeights&, Pass&) const {
  const bool with_relu = joined_activation.kind == Activation::Kind::relu;
  const Var y = max_pool(in[0], pool.spec(), with_relu);
  return with_relu ? y : activate(y, joined_activation);
}

Var AveragePoolOp::apply(std::span<const Var> in, const StepWeights&, Pass&) const {
  return average_pool(in[0], pool.spec());
}

Shape GlobalAveragePoolOp::shape(std::span<const Shape> in) const { return {rules::image(in[0])[2]}; }
Var GlobalAveragePoolOp::apply(std::span<const Var> in, const StepWeights&, Pass&) const {
  return global_average_pool(in[0]);
}

Var FlattenOp::apply(std::span<const Var> in, const StepWeights&, Pass&) const {
  return in[0].shape().rank() == 2 ? in[0] : flatten(in[0]);
}

namespace {
const bool pool_known =
    add_op<MaxPoolOp>("maximum over windows") && add_op<AveragePoolOp>("mean over windows") &&
    add_op<GlobalAveragePoolOp>("mean over all pixels") && add_op<FlattenOp>("image to features");
}

}  // namespace espalier
