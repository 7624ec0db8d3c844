// conv2d_depthwise.h: convolution of every channel by itself (groups = channels in = channels out), as MobileNets have it.
// Bound by memory, not by arithmetic: nothing is copied or padded, and strips of rows stay in the second-level cache.
#pragma once

#include "framework/kernels/conv2d.h"

namespace espalier::kernels {

inline bool depthwise_applies(const ConvGeometry& g) {
  // With a stride and a dilation the taps of the input gradient fall into no regular pattern.
  return g.groups > 1 && g.groups == g.in_c && g.out_c == g.in_c && (g.dilation.h == 1 || g.stride.h == 1) &&
         (g.dilation.w == 1 || g.stride.w == 1);
}

/// A weight with its channels innermost, as the loops read it: weight().size() values.
void depthwise_pack(const ConvGeometry& g, const Real* w, Real* packed);
void conv2d_depthwise_packed(const ConvGeometry& g, Index n, const Real* x, const Real* packed,
                             const Real* bias, const Finish& finish, Real* y);

void conv2d_depthwise(const ConvGeometry& g, Index n, const Real* x, const Real* w, const Real* bias,
                      const Finish& finish, Real* y);
void conv2d_input_grad_depthwise(const ConvGeometry& g, Index n, const Real* dy, const Real* w, Real* dx);
void conv2d_weight_grad_depthwise(const ConvGeometry& g, Index n, const Real* x, const Real* dy, Real* dw);

}  // namespace espalier::kernels
