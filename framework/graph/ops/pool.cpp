// pool.cpp: poolings and flatten as ops of graphs.
#include "framework/graph/ops.h"
#include "framework/graph/ops/rules.h"

namespace espalier {

void PoolSettings::fields(Fields& f) {
  f.sides("kernel", {&kernel_h, &kernel_w}, "rows and columns of the window", {.low = 1});
  f.sides("stride", {&stride_h, &stride_w}, "pixels between windows; 0: the kernel's extent", {.low = 0});
  f.sides("pad", {&pad_top, &pad_left, &pad_bottom, &pad_right}, "pixels around the image", {.low = 0});
  f("ceil", ceil, "a last window may end after the image");
}

Shape PoolSettings::shape(const Shape& in) const {
  const Shape& image = rules::image(in);
  const auto windows = [&](const char* side, Index extent, Index kernel, Index stride, Index before,
                           Index after) {
    if (before >= kernel || after >= kernel)
      fail(ExitCode::config, "has {} and {} pixels of padding in {} for a window of {}; it must be less",
           before, after, side, kernel);
    const Index count = window_count(extent, kernel, stride, before, after, ceil);
    if (count < 1)
      fail(ExitCode::config, "has a window {} pixels in {}, which is larger than its input of {}", kernel,
           side, extent + before + after);
    return count;
  };
  return {windows("height", image[0], kernel_h, down(), pad_top, pad_bottom),
          windows("width", image[1], kernel_w, across(), pad_left, pad_right), image[2]};
}

PoolGeometry PoolSettings::geometry(const Shape& image) const {
  return pool_geometry("pool", {1, image[0], image[1], image[2]}, kernel_h, down());
}

bool PoolSettings::plain() const {
  return kernel_h == kernel_w && down() == across() && pad_top + pad_left + pad_bottom + pad_right == 0 &&
         !ceil;
}

WindowGeometry PoolSettings::window_geometry(const Shape& image, bool count_padding) const {
  const Shape out = shape(image);
  return {image[0], image[1], image[2], out[0],   out[1],     kernel_h,  kernel_w,
          down(),   across(), pad_top,  pad_left, pad_bottom, pad_right, count_padding};
}

namespace {
/// Of one example of a batch.
Shape image_of(const Var& x) { return {x.shape()[1], x.shape()[2], x.shape()[3]}; }
}  // namespace

Var MaxPoolOp::apply(std::span<const Var> in, const StepWeights&, Pass&) const {
  const bool with_relu = joined_activation.kind == Activation::Kind::relu;
  const Var y = pool.plain() ? max_pool(in[0], pool.kernel_h, pool.down(), with_relu)
                             : max_pool(in[0], pool.window_geometry(image_of(in[0])), with_relu);
  return with_relu ? y : activate(y, joined_activation);
}

void AveragePoolOp::fields(Fields& f) {
  pool.fields(f);
  f("count_padding", count_padding, "the mean counts padding as zeros");
}
Var AveragePoolOp::apply(std::span<const Var> in, const StepWeights&, Pass&) const {
  return pool.plain() ? average_pool(in[0], pool.kernel_h, pool.down())
                      : average_pool(in[0], pool.window_geometry(image_of(in[0]), count_padding));
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
