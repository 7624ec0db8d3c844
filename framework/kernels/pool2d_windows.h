// pool2d_windows.h: poolings of any window: rectangular, padded, with a last window that ends after the
// image. The plain ones of pool2d.h (square, all windows inside) are faster.
#pragma once

#include "framework/core/real.h"
#include "framework/core/shape.h"

namespace espalier {

struct WindowGeometry {
  Index in_h, in_w, channels, out_h, out_w;
  Index kernel_h, kernel_w, stride_h, stride_w;
  Index pad_top, pad_left, pad_bottom, pad_right;  ///< each less than the window's side
  bool count_padding = false;  ///< a mean divides by all pixels of the window, padding included
  Shape input(Index n) const { return {n, in_h, in_w, channels}; }
  Shape output(Index n) const { return {n, out_h, out_w, channels}; }
};

/// Windows along one side; rounded up, the last one begins in the image or in the padding before it. 0 if
/// none fits.
Index window_count(Index in, Index kernel, Index stride, Index before, Index after, bool round_up);

namespace kernels {

/// y = max over the pixels of the window that are in the image, then the maximum with 0 if `relu`. which (may
/// be null) receives the tap (row * kernel_w + column, the first of equals) that won, as a Real.
void max_pool(const WindowGeometry& g, Index n, const Real* x, bool relu, Real* y, Real* which);
/// dx = dy at the winners, 0 elsewhere; contributions add up. Overwrites dx.
void max_pool_grad(const WindowGeometry& g, Index n, const Real* dy, const Real* which, Real* dx);
/// The adjoint of max_pool_grad: y = x at the winner.
void max_pool_gather(const WindowGeometry& g, Index n, const Real* x, const Real* which, Real* y);
/// y = mean over the window; dx = its transpose applied to dy. Both overwrite.
void average_pool(const WindowGeometry& g, Index n, const Real* x, Real* y);
void average_pool_grad(const WindowGeometry& g, Index n, const Real* dy, Real* dx);

}  // namespace kernels
}  // namespace espalier
