// linear.cpp: matrix products, on OpenBLAS.
#include "framework/autograd/arithmetic.h"
#include "framework/kernels/batch_norm.h"
#include "framework/kernels/elementwise.h"
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

Var linear(const Var& x, const Var& w, const Var& bias, bool with_relu) {
  const Shape &sx = x.shape(), &sw = w.shape();
  require(sx.rank() == 2 && sw.rank() == 2 && sx[1] == sw[1],
          "[linear] input {} ([n, in]) does not fit weight {} ([out, in])", sx, sw);
  require(bias.empty() || bias.shape() == Shape{sw[0]}, "[linear] bias has shape {}, weight {} needs {{{}}}",
          bias.empty() ? Shape{} : bias.shape(), sw, sw[0]);
  const Index n = sx[0], out = sw[0], in = sw[1];
  Tensor y = Tensor::uninitialized({n, out});
  if (!bias.empty()) kernels::spread_channels(n, out, bias.value().data(), y.data());
  kernels::gemm(Transpose::no, Transpose::yes, n, out, in, 1, x.value().data(), in, w.value().data(), in,
                bias.empty() ? 0 : 1, y.data(), out);
  if (with_relu) kernels::relu(y.size(), y.data(), y.data());

  const auto dx = [](const Inputs& i, const Var&, const Var& dy) { return matmul(dy, i[1]); };
  const auto dw = [](const Inputs& i, const Var&, const Var& dy) { return matmul(dy, i[0], true, false); };
  const auto db = [](const Inputs&, const Var&, const Var& dy) { return sum_to_channels(dy); };
  const Var z = bias.empty() ? record("linear", {x, w}, std::move(y), dx, dw)
                             : record("linear", {x, w, bias}, std::move(y), dx, dw, db);
  return with_relu ? already_rectified(z) : z;
}

}  // namespace espalier
