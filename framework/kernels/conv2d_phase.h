// conv2d_phase.h: the input gradient of a convolution with strides, cut into convolutions without.
#pragma once

#include <algorithm>

#include "framework/kernels/conv2d.h"

namespace espalier::kernels {

/// One axis of the input gradient, for the inputs h with (h + pad) % stride = phase. With
/// h = stride q + phase - pad and tap y = phase + stride t it reads dx[h] = sum_t dy[q - t] w[y]: a
/// convolution of stride 1 with every stride-th tap, flipped.
struct Phase {
  Phase(Index phase, Index in, Index kernel, Index stride, Index pad)
      : tap(phase),
        taps(kernel > phase ? (kernel - phase + stride - 1) / stride : 0),
        first(pad > phase ? (pad - phase + stride - 1) / stride : 0),
        count(in + pad > phase ? std::max<Index>(0, (in - 1 + pad - phase) / stride - first + 1) : 0),
        input(stride * first + phase - pad) {}
  static Phase down(Index phase, const ConvGeometry& g) {
    return {phase, g.in_h, g.kernel_h, g.stride.h, g.pad.h};
  }
  static Phase across(Index phase, const ConvGeometry& g) {
    return {phase, g.in_w, g.kernel_w, g.stride.w, g.pad.w};
  }
  Index tap, taps;     ///< taps are tap, tap + stride, ...
  Index first, count;  ///< range of q
  Index input;         ///< the h of q = first
  /// Zeros needed before and after `out` values of dy.
  Index before() const { return std::max<Index>(0, taps - 1 - first); }
  Index total(Index lead) const { return lead + first + count; }
};

}  // namespace espalier::kernels
