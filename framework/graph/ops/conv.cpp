// conv.cpp: convolution as an op of graphs.
#include "framework/graph/init.h"
#include "framework/graph/ops.h"
#include "framework/graph/ops/rules.h"

namespace espalier {

ConvOp::ConvOp(const SquareConv& s)
    : out(s.out),
      kernel_h(s.kernel),
      kernel_w(s.kernel),
      stride_h(s.stride),
      stride_w(s.stride),
      pad_top(s.pad),
      pad_left(s.pad),
      pad_bottom(s.pad),
      pad_right(s.pad),
      dilation_h(s.dilation),
      dilation_w(s.dilation),
      groups(s.groups),
      bias(s.bias) {}

void ConvOp::fields(Fields& f) {
  f.required()("out", out, "output channels", {.low = 1, .high = most_extent});
  f.sides("kernel", {&kernel_h, &kernel_w}, "rows and columns of the kernel", {.low = 1});
  f.sides("stride", {&stride_h, &stride_w}, "pixels between outputs", {.low = 1});
  f.sides("pad", {&pad_top, &pad_left, &pad_bottom, &pad_right},
          "zeros around the image; a list: above, left, below, right", {.low = 0});
  f.sides("dilation", {&dilation_h, &dilation_w}, "pixels between taps", {.low = 1});
  f("groups", groups, "groups of channels convolved apart", {.low = 1, .high = most_extent});
  f("bias", bias, "add a bias per channel");
}

Conv2dSpec ConvOp::spec() const {
  return {.stride = {stride_h, stride_w},
          .pad = {pad_top, pad_left, pad_bottom, pad_right},
          .dilation = {dilation_h, dilation_w},
          .groups = groups};
}

Shape ConvOp::shape(std::span<const Shape> in) const {
  const Shape& image = rules::image(in[0]);
  if (groups <= 0 || image[2] % groups != 0 || out % groups != 0)
    fail(ExitCode::config, "has {} groups, which must divide its {} inputs and {} outputs", groups, image[2],
         out);
  const auto extent = [&](const char* which, Index e, Index pads, Index kernel, Index dilation,
                          Index stride) {
    return rules::windows(which, e + pads, dilation * (kernel - 1) + 1, stride);
  };
  return {extent("height", image[0], pad_top + pad_bottom, kernel_h, dilation_h, stride_h),
          extent("width", image[1], pad_left + pad_right, kernel_w, dilation_w, stride_w), out};
}

ConvGeometry ConvOp::geometry(const Shape& image) const {
  return conv_geometry("conv", {1, image[0], image[1], image[2]},
                       {out, kernel_h, kernel_w, image[2] / groups}, spec());
}

std::vector<ParameterSpec> ConvOp::parameters(std::span<const Shape> in) const {
  const Shape weight{out, kernel_h, kernel_w, in[0][2] / groups};
  std::vector<ParameterSpec> own{{"weight", weight, Role::weight, he_normal(weight.example_size())}};
  if (bias) own.push_back({"bias", {out}, Role::bias, constant(0)});
  return own;
}

Var ConvOp::apply(std::span<const Var> in, const StepWeights& own, Pass&) const {
  Conv2dSpec with = spec();
  with.relu = joined_activation.kind == Activation::Kind::relu;
  const Var y = conv2d(in[0], own.parameters[0], bias ? own.parameters[1] : Var(), with);
  return with.relu ? y : activate(y, joined_activation);
}

Index ConvOp::macs(std::span<const Shape> in) const { return geometry(in[0]).macs(); }

namespace {
const bool conv_known = add_op<ConvOp>("convolution");
}

}  // namespace espalier
