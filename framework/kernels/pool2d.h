// pool2d.h: maximum and average over windows of NHWC images. The networks of this field use square windows; those have
// fast loops, others a general one.
#pragma once

#include <cstdint>

#include "framework/core/real.h"
#include "framework/core/shape.h"

namespace espalier {

struct PoolGeometry {
  Index in_h, in_w, channels, out_h, out_w;
  Extent2 kernel = 1, stride = 1;
  Border pad = 0;             ///< around the image; what lies there never wins a maximum
  bool count_padding = true;  ///< whether a mean divides by the pixels of `pad` too
  Shape input(Index n) const { return {n, in_h, in_w, channels}; }
  Shape output(Index n) const { return {n, out_h, out_w, channels}; }
};

namespace kernels {

/// y = max over the window; `relu` takes the maximum with 0 as well. which[n,p,r,c] receives the tap
/// (row * kernel.w + column, the first of equals) that won. `which` holds small integers stored as Real, so
/// that it can be a tensor with examples on axis 0. It may be null: only the reverse pass needs it.
void max_pool(const PoolGeometry& g, Index n, const Real* x, bool relu, Real* y, Real* which);
/// dx = dy at the winners, 0 elsewhere (windows may overlap: contributions add up). Overwrites dx.
void max_pool_grad(const PoolGeometry& g, Index n, const Real* dy, const Real* which, Real* dx);
/// The adjoint of max_pool_grad: y[n,p,r,c] = x at the winner. Second-order rules need it.
void max_pool_gather(const PoolGeometry& g, Index n, const Real* x, const Real* which, Real* y);
/// y = mean over the window.
void average_pool(const PoolGeometry& g, Index n, const Real* x, Real* y);
/// dx = transpose of average_pool applied to dy. Overwrites dx.
void average_pool_grad(const PoolGeometry& g, Index n, const Real* dy, Real* dx);

/// y[n,c] = mean over the pixels of x[n,pixels,c].
void global_average(Index n, Index pixels, Index channels, const Real* x, Real* y);

}  // namespace kernels
}  // namespace espalier
