// pool2d_windows.cpp: poolings of any window, with their adjoints; the rules are those of pool2d.cpp.
#include "framework/autograd/arithmetic.h"
#include "framework/ops/fused_relu.h"
#include "framework/ops/ops.h"

namespace espalier {
namespace {

// The winners travel as a second input, so that slicing the batch slices them too.
Var window_gather(const Var& x, const Var& which, const WindowGeometry& g);

Var window_scatter(const Var& dy, const Var& which, const WindowGeometry& g) {
  const Index n = dy.shape()[0];
  Tensor dx = Tensor::uninitialized(g.input(n));
  kernels::max_pool_grad(g, n, dy.value().data(), which.value().data(), dx.data());
  return record(
      "window_scatter", {dy, which}, std::move(dx),
      [g](const Inputs& in, const Var&, const Var& d) { return window_gather(d, in[1], g); }, NoGradient());
}

Var window_gather(const Var& x, const Var& which, const WindowGeometry& g) {
  const Index n = x.shape()[0];
  Tensor y = Tensor::uninitialized(g.output(n));
  kernels::max_pool_gather(g, n, x.value().data(), which.value().data(), y.data());
  return record(
      "window_gather", {x, which}, std::move(y),
      [g](const Inputs& in, const Var&, const Var& d) { return window_scatter(d, in[1], g); }, NoGradient());
}

Var window_spread(const Var& dy, const WindowGeometry& g) {
  const Index n = dy.shape()[0];
  Tensor dx = Tensor::uninitialized(g.input(n));
  kernels::average_pool_grad(g, n, dy.value().data(), dx.data());
  return record("window_spread", {dy}, std::move(dx),
                [g](const Inputs&, const Var&, const Var& d) { return average_pool(d, g); });
}

void check(const char* name, const Shape& x, const WindowGeometry& g) {
  require(x.rank() == 4 && x == g.input(x[0]), "[{}] needs images {}, got {}", name, g.input(x[0]), x);
}

}  // namespace

Var max_pool(const Var& x, const WindowGeometry& g, bool with_relu) {
  check("max_pool", x.shape(), g);
  const Index n = x.shape()[0];
  Tensor y = Tensor::uninitialized(g.output(n)), which = Tensor::uninitialized(g.output(n));
  kernels::max_pool(g, n, x.value().data(), with_relu, y.data(), which.data());
  const Var z = record(
      "max_pool_windows", {x, Var(std::move(which))}, std::move(y),
      [g](const Inputs& in, const Var&, const Var& dy) { return window_scatter(dy, in[1], g); },
      NoGradient());
  return with_relu ? already_rectified(z) : z;
}

Var average_pool(const Var& x, const WindowGeometry& g) {
  check("average_pool", x.shape(), g);
  const Index n = x.shape()[0];
  Tensor y = Tensor::uninitialized(g.output(n));
  kernels::average_pool(g, n, x.value().data(), y.data());
  return record("average_pool_windows", {x}, std::move(y),
                [g](const Inputs&, const Var&, const Var& dy) { return window_spread(dy, g); });
}

}  // namespace espalier
