// pool2d.cpp: maximum, average and global average pooling, with their adjoints.
#include <algorithm>

#include "framework/autograd/arithmetic.h"
#include "framework/core/parallel.h"
#include "framework/ops/fused_relu.h"
#include "framework/ops/ops.h"

namespace espalier {

PoolGeometry pool_geometry(const char* name, const Shape& x, const PoolSpec& s) {
  require(x.rank() == 4, "[{}] needs images [n,h,w,c], got {}", name, x);
  const auto extent = [&](Index in, Index before, Index after, Index kernel, Index stride) {
    require(kernel > 0 && stride > 0, "[{}] kernel {} and stride {} must be positive", name, kernel, stride);
    require(before >= 0 && after >= 0 && before < kernel && after < kernel,
            "[{}] padding {} and {} must not be negative, nor as large as the window {}", name, before, after,
            kernel);
    const Index span = in + before + after - kernel;
    require(span >= 0, "[{}] window {} is larger than the input {}", name, kernel, x);
    if (!s.ceil_mode) return span / stride + 1;
    const Index out = (span + stride - 1) / stride + 1;
    return (out - 1) * stride >= in + before ? out - 1
                                             : out;  // a window must begin in the image or before it
  };
  return {.in_h = x[1],
          .in_w = x[2],
          .channels = x[3],
          .out_h = extent(x[1], s.pad.top, s.pad.bottom, s.kernel.h, s.stride.h),
          .out_w = extent(x[2], s.pad.left, s.pad.right, s.kernel.w, s.stride.w),
          .kernel = s.kernel,
          .stride = s.stride,
          .pad = s.pad,
          .count_padding = s.count_padding};
}

namespace {

// The winners travel as a second input, so that slicing the batch slices them too.
Var max_pool_gather(const Var& x, const Var& which, const PoolGeometry& g);

Var max_pool_scatter(const Var& dy, const Var& which, const PoolGeometry& g) {
  const Index n = dy.shape()[0];
  Tensor dx = Tensor::uninitialized(g.input(n));
  kernels::max_pool_grad(g, n, dy.value().data(), which.value().data(), dx.data());
  return record(
      "max_pool_scatter", {dy, which}, std::move(dx),
      [g](const Inputs& in, const Var&, const Var& d) { return max_pool_gather(d, in[1], g); }, NoGradient());
}

Var max_pool_gather(const Var& x, const Var& which, const PoolGeometry& g) {
  const Index n = x.shape()[0];
  Tensor y = Tensor::uninitialized(g.output(n));
  kernels::max_pool_gather(g, n, x.value().data(), which.value().data(), y.data());
  return record(
      "max_pool_gather", {x, which}, std::move(y),
      [g](const Inputs& in, const Var&, const Var& d) { return max_pool_scatter(d, in[1], g); },
      NoGradient());
}

Var average_over(const Var& x, const PoolGeometry& g);

Var average_pool_spread(const Var& dy, const PoolGeometry& g) {
  const Index n = dy.shape()[0];
  Tensor dx = Tensor::uninitialized(g.input(n));
  kernels::average_pool_grad(g, n, dy.value().data(), dx.data());
  return record("average_pool_spread", {dy}, std::move(dx),
                [g](const Inputs&, const Var&, const Var& d) { return average_over(d, g); });
}

Var average_over(const Var& x, const PoolGeometry& g) {
  const Index n = x.shape()[0];
  Tensor y = Tensor::uninitialized(g.output(n));
  kernels::average_pool(g, n, x.value().data(), y.data());
  return record("average_pool", {x}, std::move(y),
                [g](const Inputs&, const Var&, const Var& dy) { return average_pool_spread(dy, g); });
}

constexpr Index examples_per_chunk = 16;

// [n, h*w, c] mean over the middle axis, and its adjoint.
Var spread_pixels(const Var& y, Index height, Index width);

Var mean_pixels(const Var& x) {
  const Shape& s = x.shape();
  const Index n = s[0], pixels = s[1] * s[2], channels = s[3];
  Tensor y = Tensor::uninitialized({n, channels});
  kernels::global_average(n, pixels, channels, x.value().data(), y.data());
  return record("global_average_pool", {x}, std::move(y),
                [height = s[1], width = s[2]](const Inputs&, const Var&, const Var& dy) {
                  return spread_pixels(dy, height, width);
                });
}

Var spread_pixels(const Var& y, Index height, Index width) {
  const Index n = y.shape()[0], channels = y.shape()[1], pixels = height * width;
  Tensor x = Tensor::uninitialized({n, height, width, channels});
  const Real factor = Real(1) / static_cast<Real>(pixels);
  parallel_for(n, examples_per_chunk, [&](Range examples) {
    for (Index i = examples.begin; i < examples.end; ++i) {
      const Real* row = y.value().data() + i * channels;
      for (Index p = 0; p < pixels; ++p) {
        Real* pixel = x.data() + (i * pixels + p) * channels;
        for (Index c = 0; c < channels; ++c) pixel[c] = row[c] * factor;
      }
    }
  });
  return record("spread_pixels", {y}, std::move(x),
                [](const Inputs&, const Var&, const Var& dy) { return mean_pixels(dy); });
}

}  // namespace

Var max_pool(const Var& x, const PoolSpec& spec, bool with_relu) {
  const PoolGeometry g = pool_geometry("max_pool", x.shape(), spec);
  const Index n = x.shape()[0];
  Tensor y = Tensor::uninitialized(g.output(n)), which = Tensor::uninitialized(g.output(n));
  kernels::max_pool(g, n, x.value().data(), with_relu, y.data(), which.data());
  const Var z = record(
      "max_pool", {x, Var(std::move(which))}, std::move(y),
      [g](const Inputs& in, const Var&, const Var& dy) { return max_pool_scatter(dy, in[1], g); },
      NoGradient());
  return with_relu ? already_rectified(z) : z;
}

Var average_pool(const Var& x, const PoolSpec& spec) {
  return average_over(x, pool_geometry("average_pool", x.shape(), spec));
}

Var global_average_pool(const Var& x) {
  require(x.shape().rank() == 4, "[global_average_pool] needs images [n,h,w,c], got {}", x.shape());
  return mean_pixels(x);
}

}  // namespace espalier
