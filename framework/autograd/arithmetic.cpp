#include "framework/autograd/arithmetic.h"

#include <algorithm>

#include "framework/kernels/batch_norm.h"
#include "framework/kernels/elementwise.h"
#include "framework/kernels/softmax.h"

namespace espalier {
namespace {

void same_shape(const char* op, const Var& a, const Var& b) {
  require(a.shape() == b.shape(), "[{}] shapes differ: {} and {}", op, a.shape(), b.shape());
}
Index channels(const Shape& s) { return s[-1]; }
Index rows(const Shape& s) { return s.size() / std::max<Index>(channels(s), 1); }

}  // namespace

Var add(const Var& a, const Var& b) {
  same_shape("add", a, b);
  Tensor y = Tensor::uninitialized(a.shape());
  kernels::add(y.size(), a.value().data(), b.value().data(), y.data());
  const auto pass = [](const Inputs&, const Var&, const Var& dy) { return dy; };
  return record("add", {a, b}, std::move(y), pass, pass);
}

Var subtract(const Var& a, const Var& b) {
  same_shape("subtract", a, b);
  Tensor y = Tensor::uninitialized(a.shape());
  kernels::axpby(y.size(), 1, a.value().data(), -1, b.value().data(), y.data());
  return record(
      "subtract", {a, b}, std::move(y), [](const Inputs&, const Var&, const Var& dy) { return dy; },
      [](const Inputs&, const Var&, const Var& dy) { return scale(dy, -1); });
}

Var multiply(const Var& a, const Var& b) {
  same_shape("multiply", a, b);
  Tensor y = Tensor::uninitialized(a.shape());
  kernels::multiply(y.size(), a.value().data(), b.value().data(), y.data());
  return record(
      "multiply", {a, b}, std::move(y),
      [](const Inputs& in, const Var&, const Var& dy) { return multiply(dy, in[1]); },
      [](const Inputs& in, const Var&, const Var& dy) { return multiply(dy, in[0]); });
}

Var scale(const Var& x, Real factor) {
  Tensor y = Tensor::uninitialized(x.shape());
  kernels::scale(y.size(), factor, x.value().data(), y.data());
  return record("scale", {x}, std::move(y),
                [factor](const Inputs&, const Var&, const Var& dy) { return scale(dy, factor); });
}

Var reciprocal_sqrt(const Var& x) {
  Tensor y = Tensor::uninitialized(x.shape());
  kernels::reciprocal_sqrt(y.size(), x.value().data(), y.data());
  return record("reciprocal_sqrt", {x}, std::move(y), [](const Inputs&, const Var& out, const Var& dy) {
    return scale(multiply(dy, multiply(out, multiply(out, out))), Real(-0.5));  // d x^-1/2 = -1/2 x^-3/2
  });
}

Var reshape(const Var& x, const Shape& shape) {
  const Shape before = x.shape();
  return record("reshape", {x}, x.value().reshape(shape), [before](const Inputs&, const Var&, const Var& dy) {
    // Only the extent of axis 0 can differ, when the rule runs on a slice of the batch.
    const Index n = before[0] * dy.shape().size() / std::max<Index>(before.size(), 1);
    return reshape(dy, before.with_examples(n));
  });
}

Var sum_to_channels(const Var& x) {
  const Shape shape = x.shape();
  Tensor y = Tensor::uninitialized({channels(shape)});
  kernels::channel_sums(rows(shape), channels(shape), x.value().data(), nullptr, y.data(), nullptr);
  return record("sum_to_channels", {x}, std::move(y),
                [shape](const Inputs&, const Var&, const Var& dy) { return spread_channels(dy, shape); });
}

Var spread_channels(const Var& x, const Shape& shape) {
  require(x.shape() == Shape{channels(shape)}, "[spread_channels] {} can't be spread to {}", x.shape(),
          shape);
  Tensor y = Tensor::uninitialized(shape);
  kernels::spread_channels(rows(shape), channels(shape), x.value().data(), y.data());
  return record("spread_channels", {x}, std::move(y),
                [](const Inputs&, const Var&, const Var& dy) { return sum_to_channels(dy); });
}

Var channel_affine(const Var& x, const Var& factor, const Var& shift) {
  const Shape shape = x.shape();
  const Shape per_channel{channels(shape)};
  require(factor.shape() == per_channel && (shift.empty() || shift.shape() == per_channel),
          "[channel_affine] input {} needs factor and shift of shape {}", shape, per_channel);
  const Var offset = shift.empty() ? Var(Tensor::zeros(per_channel)) : shift;
  Tensor y = Tensor::uninitialized(shape);
  kernels::channel_affine(rows(shape), channels(shape), x.value().data(), factor.value().data(),
                          offset.value().data(), nullptr, false, y.data());
  return record(
      "channel_affine", {x, factor, offset}, std::move(y),
      [](const Inputs& in, const Var&, const Var& dy) { return channel_affine(dy, in[1], Var()); },
      [](const Inputs& in, const Var&, const Var& dy) { return sum_to_channels(multiply(dy, in[0])); },
      [](const Inputs&, const Var&, const Var& dy) { return sum_to_channels(dy); });
}

Var sum_rows(const Var& x) {
  require(x.shape().rank() == 2, "[sum_rows] needs [n, k], got {}", x.shape());
  const Index k = x.shape()[1];
  Tensor y = Tensor::uninitialized({x.shape()[0]});
  kernels::row_sums(x.shape()[0], k, x.value().data(), y.data());
  return record("sum_rows", {x}, std::move(y),
                [k](const Inputs&, const Var&, const Var& dy) { return spread_rows(dy, k); });
}

Var spread_rows(const Var& x, Index k) {
  require(x.shape().rank() == 1, "[spread_rows] needs [n], got {}", x.shape());
  Tensor y = Tensor::uninitialized({x.shape()[0], k});
  kernels::spread_rows(x.shape()[0], k, x.value().data(), y.data());
  return record("spread_rows", {x}, std::move(y),
                [](const Inputs&, const Var&, const Var& dy) { return sum_rows(dy); });
}

Var sum_all(const Var& x) {
  const Shape shape = x.shape();
  double sum = 0;
  for (const Real v : x.value().values()) sum += static_cast<double>(v);
  return record("sum_all", {x}, Tensor::full({1}, static_cast<Real>(sum)),
                [shape](const Inputs&, const Var&, const Var& dy) { return spread_all(dy, shape); });
}

Var spread_all(const Var& x, const Shape& shape) {
  require(x.shape() == Shape{1}, "[spread_all] needs [1], got {}", x.shape());
  return record("spread_all", {x}, Tensor::full(shape, *x.value().data()),
                [](const Inputs&, const Var&, const Var& dy) { return sum_all(dy); });
}

Var dot(const Var& a, const Var& b) { return sum_all(multiply(a, b)); }

}  // namespace espalier
