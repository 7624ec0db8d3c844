// levels.h: the inner loops, compiled once per CPU level from the sources in simd/, and the choice between
// them at run time. The environment variable ESPALIER_CPU=baseline|avx2|avx512 chooses a lower level than the
// CPU offers.
#pragma once

#include "framework/core/real.h"

namespace espalier::kernels {

/// One convolution of one image, after padding and packing. A window row is `window` contiguous values of x,
/// since channels are innermost: taps and channels of a kernel row need no loops of their own. Strides count
/// values.
struct ConvImage {
  Index out_h, out_w, channels;    ///< output pixels and channels
  Index x_row, x_pixel;            ///< step in x from one output row, one output pixel, to the next
  Index rows, window, window_row;  ///< rows of the window, values in a row, step in x between its rows
  Index y_row, y_pixel;            ///< step in y between output rows, between output pixels
  Index taps() const { return rows * window; }
};

struct Level {
  const char* name;
  Index lanes;

  /// Values in a packed weight of `taps` x `channels`.
  Index (*packed_size)(Index taps, Index channels);
  /// Packs bias[channels] (or zeros if null) and a weight given by steps: value (row, tap, channel) is
  /// w[row * row_step + tap / inner * outer_step + tap % inner * inner_step + channel * channel_step].
  void (*pack)(const struct WeightView& w, const Real* bias, Real* packed);
  /// y = bias + windows of x times the packed weight, then max(., 0) if relu.
  void (*conv_image)(const ConvImage& g, const Real* x, const Real* packed, bool relu, Real* y);

  /// Values between two output channels in the sums of conv_weight_image.
  Index (*weight_sum_step)(Index rows, Index window);
  /// sums[channel * step + row * (window rounded up to lanes) + k] (+)= sum over pixels of dy * x. Reads up
  /// to lanes - 1 values past the last window of x. `add` is false for the first image of a sum.
  void (*conv_weight_image)(const ConvImage& g, const Real* x, const Real* dy, bool add, Real* sums);
};

/// A weight as the packing sees it; see Level::pack.
struct WeightView {
  const Real* w;
  Index rows, window, channels;
  Index row_step, inner, outer_step, inner_step, channel_step;
};

/// The best level of this CPU, or the one asked for by ESPALIER_CPU.
const Level& level();
/// The level of that name, or null if this CPU or this build has none.
const Level* find_level(const char* name);
/// Makes level() return `chosen`; for tests.
void set_level(const Level& chosen);

}  // namespace espalier::kernels
