// activation.cpp: ReLU, the other activations, and dropout.
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

namespace {

using Kind = Activation::Kind;

Tensor values_of(const Activation& f, const Var& x) {
  Tensor y = Tensor::uninitialized(x.shape());
  kernels::activate(f, y.size(), x.value().data(), y.data());
  return y;
}
Var one_minus(const Var& x) { return subtract(Var(Tensor::full(x.shape(), 1)), x); }
template <class Fn>
Var constant_map(const Var& x, Fn fn) {
  Tensor y = Tensor::uninitialized(x.shape());
  for (Index k = 0; k < y.size(); ++k) y.data()[k] = fn(x.value().data()[k]);
  return Var(std::move(y));
}

/// Made of straight pieces: the slope is a constant of each, so that second derivatives are zero almost
/// everywhere.
Var piecewise(const Var& x, const Activation& f) {
  const auto a = static_cast<Real>(f.alpha), b = static_cast<Real>(f.beta);
  const auto slope = [kind = f.kind, a, b](Real v) -> Real {
    if (kind == Kind::leaky_relu) return v > 0 ? Real(1) : a;
    const Real at = a * v + b;
    return at <= 0 || at >= 1 ? Real(0) : a;
  };
  return record(name_of(f.kind), {x}, values_of(f, x), [slope](const Inputs& in, const Var&, const Var& dy) {
    return multiply(dy, constant_map(in[0], slope));
  });
}

Var clip(const Var& x, const Activation& f) {
  // The output tells where x lay, so that x need not be kept.
  return record("clip", {x}, values_of(f, x),
                [a = static_cast<Real>(f.alpha), b = static_cast<Real>(f.beta)](
                    const Inputs&, const Var& out, const Var& dy) { return keep_within(dy, out, a, b); });
}
Var hard_swish(const Var& x, const Activation& f) {
  return record("hard_swish", {x}, values_of(f, x), [f](const Inputs& in, const Var&, const Var& dy) {
    return hard_swish_gradient(in[0], dy, f);
  });
}

Var sigmoid(const Var& x) {
  return record("sigmoid", {x}, values_of(Kind::sigmoid, x),
                [](const Inputs&, const Var& out, const Var& dy) {
                  return multiply(dy, multiply(out, one_minus(out)));
                });
}
Var hyperbolic_tangent(const Var& x) {
  return record("tanh", {x}, values_of(Kind::tanh, x), [](const Inputs&, const Var& out, const Var& dy) {
    return multiply(dy, one_minus(multiply(out, out)));
  });
}
Var elu(const Var& x, const Activation& f) {
  return record("elu", {x}, values_of(f, x),
                [a = static_cast<Real>(f.alpha)](const Inputs& in, const Var& out, const Var& dy) {
                  // 1 on the right; on the left a e^x = y + a.
                  const Var left = constant_map(in[0], [](Real v) { return v > 0 ? Real(0) : Real(1); });
                  const Var slope = multiply(left, add(out, Var(Tensor::full(out.shape(), a))));
                  return multiply(dy, add(slope, one_minus(left)));
                });
}
Var normal_density(const Var& x) {
  Tensor y = Tensor::uninitialized(x.shape());
  kernels::normal_density(y.size(), x.value().data(), y.data());
  return record("normal_density", {x}, std::move(y), [](const Inputs& in, const Var& out, const Var& dy) {
    return multiply(dy, multiply(scale(in[0], -1), out));
  });
}
Var normal_distribution(const Var& x) {
  Tensor y = Tensor::uninitialized(x.shape());
  kernels::normal_distribution(y.size(), x.value().data(), y.data());
  return record("normal_distribution", {x}, std::move(y), [](const Inputs& in, const Var&, const Var& dy) {
    return multiply(dy, normal_density(in[0]));
  });
}

}  // namespace

Var activate(const Var& x, const Activation& f) {
  switch (f.kind) {
    case Kind::none:
      return x;
    case Kind::relu:
      return relu(x);
    case Kind::clip:
      return clip(x, f);
    case Kind::leaky_relu:
    case Kind::hard_sigmoid:
      return piecewise(x, f);
    case Kind::sigmoid:
      return sigmoid(x);
    case Kind::hard_swish:
      return hard_swish(x, f);
    case Kind::tanh:
      return hyperbolic_tangent(x);
    case Kind::elu:
      return elu(x, f);
    case Kind::gelu:
      return multiply(x, normal_distribution(x));
    case Kind::silu:
      return multiply(x, sigmoid(x));
  }
  fail(ExitCode::internal, "[activate] an activation without a rule");
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

Var keep_within(const Var& x, const Var& at, Real low, Real high) {
  require(x.shape() == at.shape(), "[keep_within] shapes differ: {} and {}", x.shape(), at.shape());
  Tensor y = Tensor::uninitialized(x.shape());
  kernels::keep_within(y.size(), low, high, x.value().data(), at.value().data(), y.data());
  return record(
      "keep_within", {x, Var(at.value())}, std::move(y),
      [low, high](const Inputs& in, const Var&, const Var& dy) { return keep_within(dy, in[1], low, high); },
      NoGradient());
}

Var hard_swish_gradient(const Var& x, const Var& dy, const Activation& f) {
  require(x.shape() == dy.shape(), "[hard_swish_gradient] shapes differ: {} and {}", x.shape(), dy.shape());
  if (recording()) {  // x h(x) with h a hard sigmoid has the slope h + x h'
    const Var h = activate(x, {Kind::hard_sigmoid, f.alpha, f.beta});
    const Var moving = keep_within(scale(x, static_cast<Real>(f.alpha)), h, 0, 1);
    return multiply(dy, add(h, moving));
  }
  Tensor dx = Tensor::uninitialized(x.shape());
  kernels::finish_grad(dx.size(), *fused(f), x.value().data(), dy.value().data(), dx.data());
  return Var(std::move(dx));
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
