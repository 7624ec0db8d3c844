// linear.cpp: matrix products, and the linear layer.
#include "framework/kernels/linear.h"

#include "framework/autograd/arithmetic.h"
#include "framework/kernels/gemm.h"
#include "framework/ops/fused_relu.h"
#include "framework/ops/ops.h"

namespace espalier {
namespace {

using kernels::Transpose;
Transpose flag(bool transposed) { return transposed ? Transpose::yes : Transpose::no; }

}  // namespace

Var matmul(const Var& a, const Var& b, bool transpose_a, bool transpose_b) {
  const Shape &sa = a.shape(), &sb = b.shape();
  require(sa.rank() == 2 && sb.rank() == 2, "[matmul] needs matrices, got {} and {}", sa, sb);
  const Index m = sa[transpose_a ? 1 : 0], k = sa[transpose_a ? 0 : 1], n = sb[transpose_b ? 0 : 1];
  require(k == sb[transpose_b ? 1 : 0], "[matmul] inner extents differ: {}{} and {}{}", sa,
          transpose_a ? "'" : "", sb, transpose_b ? "'" : "");
  Tensor y = Tensor::uninitialized({m, n});
  kernels::gemm(flag(transpose_a), flag(transpose_b), m, n, k, 1, a.value().data(), sa[1], b.value().data(),
                sb[1], 0, y.data(), n);
  // y = op(a) op(b):  d op(a) = dy op(b)',  d op(b) = op(a)' dy, each transposed back where op transposes.
  return record(
      "matmul", {a, b}, std::move(y),
      [transpose_a, transpose_b](const Inputs& in, const Var&, const Var& dy) {
        return transpose_a ? matmul(in[1], dy, transpose_b, true) : matmul(dy, in[1], false, !transpose_b);
      },
      [transpose_a, transpose_b](const Inputs& in, const Var&, const Var& dy) {
        return transpose_b ? matmul(dy, in[0], true, transpose_a) : matmul(in[0], dy, !transpose_a, false);
      });
}

namespace {
struct LinearInputRule {
  Var operator()(const Inputs& in, const Var&, const Var& dy) const {
    if (recording()) return matmul(dy, in[1]);
    const Shape& w = in[1].shape();
    Tensor dx = Tensor::uninitialized({dy.shape()[0], w[1]});
    kernels::linear_input_grad(dy.shape()[0], w[1], w[0], dy.value().data(), in[1].value().data(), dx.data());
    return Var(std::move(dx));
  }
};
struct LinearWeightRule {
  Var operator()(const Inputs& in, const Var&, const Var& dy) const {
    if (recording()) return matmul(dy, in[0], true, false);
    Tensor dw = Tensor::uninitialized(in[1].shape());
    write(in, dy, {0, dy.shape()[0]}, dw.data());
    return Var(std::move(dw));
  }
  void write(const Inputs& in, const Var& dy, Range range, Real* dw) const {
    kernels::linear_weight_grad(range.size(), in[1].shape()[1], in[1].shape()[0],
                                in[0].value().example(range.begin), dy.value().example(range.begin), dw);
  }
};
}  // namespace

Var linear(const Var& x, const Var& w, const Var& bias, bool with_relu) {
  const Shape &sx = x.shape(), &sw = w.shape();
  require(sx.rank() == 2 && sw.rank() == 2 && sx[1] == sw[1],
          "[linear] input {} ([n, in]) does not fit weight {} ([out, in])", sx, sw);
  require(bias.empty() || bias.shape() == Shape{sw[0]}, "[linear] bias has shape {}, weight {} needs {{{}}}",
          bias.empty() ? Shape{} : bias.shape(), sw, sw[0]);
  Tensor y = Tensor::uninitialized({sx[0], sw[0]});
  kernels::linear(sx[0], sw[1], sw[0], x.value().data(), w.value().data(),
                  bias.empty() ? nullptr : bias.value().data(), with_relu, y.data());
  const auto db = [](const Inputs&, const Var&, const Var& dy) { return sum_to_channels(dy); };
  const Var z = bias.empty()
                    ? record("linear", {x, w}, std::move(y), LinearInputRule(), LinearWeightRule())
                    : record("linear", {x, w, bias}, std::move(y), LinearInputRule(), LinearWeightRule(), db);
  return with_relu ? already_rectified(z) : z;
}

}  // namespace espalier
