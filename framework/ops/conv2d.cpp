// conv2d.cpp: convolution and its two adjoints. It is bilinear in image and weight, so three ops close over
// each other: the gradient rules of each are the other two, to any order.
#include <algorithm>

#include "framework/autograd/arithmetic.h"
#include "framework/ops/fused_relu.h"
#include "framework/ops/ops.h"

namespace espalier {

ConvGeometry conv_geometry(const char* name, const Shape& x, const Shape& w, const Conv2dSpec& s) {
  require(x.rank() == 4 && w.rank() == 4, "[{}] needs images [n,h,w,c] and weights [o,h,w,i], got {} and {}",
          name, x, w);
  const Border& pad = s.pad;
  require(
      std::min({s.stride.h, s.stride.w, s.dilation.h, s.dilation.w, s.groups}) > 0 &&
          std::min({pad.top, pad.left, pad.bottom, pad.right}) >= 0,
      "[{}] stride {}x{}, dilation {}x{}, groups {} must be positive and padding {},{},{},{} not negative",
      name, s.stride.h, s.stride.w, s.dilation.h, s.dilation.w, s.groups, pad.top, pad.left, pad.bottom,
      pad.right);
  require(x[3] == w[3] * s.groups && w[0] % s.groups == 0,
          "[{}] input {} (NHWC) has {} channels; weight {} (OHWI) "
          "in {} groups expects {}, and outputs that divide evenly",
          name, x, x[3], w, s.groups, w[3] * s.groups);
  const auto extent = [&](Index in, Index padding, Index kernel, Index dilation, Index stride) {
    const Index span = in + padding - dilation * (kernel - 1) - 1;
    require(span >= 0,
            "[{}] kernel {} (dilation {}) is larger than the padded input {}: input {}, padding {}", name,
            kernel, dilation, in + padding, x, padding);
    return span / stride + 1;
  };
  return {.in_h = x[1],
          .in_w = x[2],
          .in_c = x[3],
          .out_h = extent(x[1], pad.top + pad.bottom, w[1], s.dilation.h, s.stride.h),
          .out_w = extent(x[2], pad.left + pad.right, w[2], s.dilation.w, s.stride.w),
          .out_c = w[0],
          .kernel_h = w[1],
          .kernel_w = w[2],
          .stride = s.stride,
          .pad = {pad.top, pad.left},
          .dilation = s.dilation,
          .groups = s.groups};
}

namespace {
struct WeightRule {
  ConvGeometry g;
  Var operator()(const Inputs& in, const Var&, const Var& dy) const {
    return conv2d_weight_grad(in[0], dy, g);
  }
  void write(const Inputs& in, const Var& dy, Range range, Real* dw) const {
    kernels::conv2d_weight_grad(g, range.size(), in[0].value().example(range.begin),
                                dy.value().example(range.begin), dw);
  }
};
}  // namespace

namespace {
Var convolution(const Var& x, const Var& w, const Var& bias, const ConvGeometry& g, bool with_relu) {
  const Index n = x.shape()[0];
  Tensor y = Tensor::uninitialized(g.output(n));
  kernels::conv2d(g, n, x.value().data(), w.value().data(), bias.empty() ? nullptr : bias.value().data(),
                  with_relu, y.data());
  const auto dx = [g](const Inputs& in, const Var&, const Var& dy) {
    return conv2d_input_grad(dy, in[1], g);
  };
  const WeightRule dw{g};
  const auto db = [](const Inputs&, const Var&, const Var& dy) { return sum_to_channels(dy); };
  const Var z = bias.empty() ? record("conv2d", {x, w}, std::move(y), dx, dw)
                             : record("conv2d", {x, w, bias}, std::move(y), dx, dw, db);
  return with_relu ? already_rectified(z) : z;
}
}  // namespace

Var conv2d(const Var& x, const Var& w, const Var& bias, const Conv2dSpec& spec) {
  const ConvGeometry g = conv_geometry("conv2d", x.shape(), w.shape(), spec);
  require(bias.empty() || bias.shape() == Shape{g.out_c}, "[conv2d] weight {} needs a bias of shape {{{}}}",
          w.shape(), g.out_c);
  return convolution(x, w, bias, g, spec.relu);
}

Var conv2d_input_grad(const Var& dy, const Var& w, const ConvGeometry& g) {
  const Index n = dy.shape()[0];
  require(dy.shape() == g.output(n) && w.shape() == g.weight(),
          "[conv2d_input_grad] dy {} and weight {} should be {} and {}", dy.shape(), w.shape(), g.output(n),
          g.weight());
  Tensor dx = Tensor::uninitialized(g.input(n));
  kernels::conv2d_input_grad(g, n, dy.value().data(), w.value().data(), dx.data());
  return record(
      "conv2d_input_grad", {dy, w}, std::move(dx),
      [g](const Inputs& in, const Var&, const Var& d) { return convolution(d, in[1], Var(), g, false); },
      [g](const Inputs& in, const Var&, const Var& d) { return conv2d_weight_grad(d, in[0], g); });
}

Var conv2d_weight_grad(const Var& x, const Var& dy, const ConvGeometry& g) {
  const Index n = dy.shape()[0];
  require(dy.shape() == g.output(n) && x.shape() == g.input(n),
          "[conv2d_weight_grad] x {} and dy {} should be {} and {}", x.shape(), dy.shape(), g.input(n),
          g.output(n));
  Tensor dw = Tensor::uninitialized(g.weight());
  kernels::conv2d_weight_grad(g, n, x.value().data(), dy.value().data(), dw.data());
  return record(
      "conv2d_weight_grad", {x, dy}, std::move(dw),
      [g](const Inputs& in, const Var&, const Var& d) { return conv2d_input_grad(in[1], d, g); },
      [g](const Inputs& in, const Var&, const Var& d) { return convolution(in[0], d, Var(), g, false); });
}

}  // namespace espalier
