// conv2d_direct.h: convolution by the register tiles of simd/, any geometry without dilation. Groups are computed one
// after the other, each from a copy of its channels; 1x1 kernels as one product of all pixels of the batch.
#pragma once

#include "framework/kernels/conv2d.h"

namespace espalier::kernels {

inline bool direct_applies(const ConvGeometry& g) { return g.dilation == 1; }

/// A weight in the order in which the tiles read it, with its bias (may be null).
Index direct_packed_size(const ConvGeometry& g);
void direct_pack(const ConvGeometry& g, const Real* w, const Real* bias, Real* packed);
void conv2d_direct_packed(const ConvGeometry& g, Index n, const Real* x, const Real* packed,
                          const Finish& finish, Real* y);

void conv2d_direct(const ConvGeometry& g, Index n, const Real* x, const Real* w, const Real* bias,
                   const Finish& finish, Real* y);
void conv2d_input_grad_direct(const ConvGeometry& g, Index n, const Real* dy, const Real* w, Real* dx);
void conv2d_weight_grad_direct(const ConvGeometry& g, Index n, const Real* x, const Real* dy, Real* dw);

}  // namespace espalier::kernels
