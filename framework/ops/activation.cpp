// activation.cpp: ReLU and dropout.
#include "framework/autograd/arithmetic.h"
#include "framework/core/parallel.h"
#include "framework/core/random.h"
#include "framework/kernels/elementwise.h"
#include "framework/ops/fused_relu.h"
#include "framework/ops/ops.h"

namespace espalier {

Var relu(const Var& x) {
  Tensor y = Tensor::uninitialized(x.shape());
  kernels::relu(y.size(), x.value().data(), y.data());
  return record("relu", {x}, std::move(y),
                [](const Inputs&, const Var& out, const Var& dy) { return keep_positive(dy, out); });
}

Var activate(const Var& x, const Activation& function) {
  return function.kind == Activation::Kind::relu ? relu(x) : x;
}

Var add_relu(const Var& a, const Var& b) {
  require(a.shape() == b.shape(), "[add_relu] shapes differ: {} and {}", a.shape(), b.shape());
  Tensor y = Tensor::uninitialized(a.shape());
  kernels::add_relu(y.size(), a.value().data(), b.value().data(), y.data());
  const auto pass = [](const Inputs&, const Var&, const Var& dy) { return dy; };
  return already_rectified(record("add_relu", {a, b}, std::move(y), pass, pass));
}

Var keep_positive(const Var& x, const Var& sign) {
  require(x.shape() == sign.shape(), "[keep_positive] shapes differ: {} and {}", x.shape(), sign.shape());
  Tensor y = Tensor::uninitialized(x.shape());
  kernels::keep_positive(y.size(), x.value().data(), sign.value().data(), y.data());
  return record(
      "keep_positive", {x, Var(sign.value())}, std::move(y),
      [](const Inputs& in, const Var&, const Var& dy) { return keep_positive(dy, in[1]); }, NoGradient());
}

Var dropout(const Var& x, double rate, std::uint64_t key) {
  require(rate >= 0 && rate < 1, "[dropout] rate {} is not in [0, 1)", rate);
  if (rate == 0) return x;
  Tensor mask = Tensor::uninitialized(x.shape());
  const Real kept = static_cast<Real>(1 / (1 - rate));
  const Index per_example = x.shape().example_size();
  parallel_for(x.shape()[0], 8, [&](Range r) {
    for (Index n = r.begin; n < r.end; ++n) {
      Random random(key, Random::Use::dropout, {static_cast<std::uint64_t>(n)});
      Real* row = mask.data() + n * per_example;
      for (Index i = 0; i < per_example; ++i) row[i] = random.uniform() < rate ? Real(0) : kept;
    }
  });
  return multiply(x, Var(std::move(mask)));
}

}  // namespace espalier
