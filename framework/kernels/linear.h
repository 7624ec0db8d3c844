// linear.h: the three products of a linear layer, x [n, in], w [out, in], y [n, out], all row-major and
// contiguous, by the register tiles of the convolution. Any other product is gemm.h.
#pragma once

#include <vector>

#include "framework/core/real.h"
#include "framework/kernels/finish.h"

namespace espalier::kernels {

/// y[n,o] = (bias ? bias[o] : 0) + sum_i x[n,i] w[o,i], then finished. Parallel over examples.
void linear(Index n, Index in, Index out, const Real* x, const Real* w, const Real* bias,
            const Finish& finish, Real* y);
/// The same for a weight that meets many batches (packing takes as long as six examples). Same bits. A batch
/// of few examples is cut along the outputs.
class PackedLinear {
 public:
  PackedLinear(Index in, Index out, const Real* w, const Real* bias);
  void run(Index n, const Real* x, const Finish& finish, Real* y) const;

 private:
  Index in_, out_, piece_;  // outputs are packed in pieces of `piece_`
  std::vector<Real> packed_;
};
/// dx[n,i] = sum_o dy[n,o] w[o,i]. Overwrites dx.
void linear_input_grad(Index n, Index in, Index out, const Real* dy, const Real* w, Real* dx);
/// dw[o,i] = sum_n dy[n,o] x[n,i], over the examples in order:
/// same bits on any number of threads. Overwrites dw.
void linear_weight_grad(Index n, Index in, Index out, const Real* x, const Real* dy, Real* dw);

}  // namespace espalier::kernels
