// conv2d_winograd.h: 3x3 and 5x5 convolutions of stride 1 in a fourth or a sixth of the multiplications, by
// Winograd's products on tiles of 6x6 and 8x8: F(4x4, 3x3) and F(4x4, 5x5). Rounding errors in float32 are
// about 5e-7 and 2.5e-6 of the root mean square of the result; those of the direct sum 2e-7 and 4e-7.
#pragma once

#include "framework/kernels/conv2d.h"

namespace espalier::kernels {

/// Whether the functions below can compute this geometry.
inline bool winograd_covers(const ConvGeometry& g) {
  return g.stride == 1 && g.dilation == 1 && g.groups == 1 && g.kernel_h == g.kernel_w &&
         g.pad.h == g.pad.w && g.pad.h < g.kernel_h && (g.kernel_h == 3 || g.kernel_h == 5);
}
/// Whether that is also faster: transforms cost the same whatever the number of channels on the other side.
inline bool winograd_pays(const ConvGeometry& g) {
  return winograd_covers(g) && g.in_c >= 16 && g.out_c >= 16;
}

/// The values of a weight at the points, in the order in which the tiles read them.
Index winograd_packed_size(const ConvGeometry& g);
void winograd_pack(const ConvGeometry& g, const Real* w, Real* packed);
void conv2d_winograd_packed(const ConvGeometry& g, Index n, const Real* x, const Real* packed,
                            const Real* bias, const Finish& finish, Real* y);

void conv2d_winograd(const ConvGeometry& g, Index n, const Real* x, const Real* w, const Real* bias,
                     const Finish& finish, Real* y);
void conv2d_input_grad_winograd(const ConvGeometry& g, Index n, const Real* dy, const Real* w, Real* dx);
void conv2d_weight_grad_winograd(const ConvGeometry& g, Index n, const Real* x, const Real* dy, Real* dw);

}  // namespace espalier::kernels
