// instruction_set.h: the inner loops, compiled once per instruction set from the sources in simd/, and the
// choice between them at run time. The environment variable ESPALIER_CPU=baseline|avx2|avx512 chooses a
// lower one than the CPU offers.
#pragma once

#include "framework/core/real.h"
#include "framework/kernels/finish.h"

namespace espalier::kernels {

/// One convolution of one image, after padding and packing. A window row is `window` contiguous values of x,
/// since channels are innermost: taps and channels of a kernel row need no loops
/// of their own. Strides count values.
struct ConvImage {
  Index out_h, out_w, channels;    ///< output pixels and channels
  Index x_row, x_pixel;            ///< step in x from one output row, one output pixel, to the next
  Index rows, window, window_row;  ///< rows of the window, values in a row, step in x between its rows
  Index y_row, y_pixel;            ///< step in y between output rows, between output pixels
  Index taps() const { return rows * window; }
};

/// Convolution of each channel of an image by itself: tap (t, k) of output pixel (p, r) reads pixel
/// (p stride_h + top + t dilation_h, r stride_w + left + k dilation_w) of x if that lies within it. Steps count values.
struct DepthwiseImage {
  Index in_h, in_w, out_w, channels, kernel_h, kernel_w;
  Index stride_h, stride_w, dilation_h, dilation_w, top, left;
  Index x_row, x_pixel, y_row, y_pixel;
  Index tap;  ///< step between the taps of a weight, whose channels are innermost
};

/// Pooling of one image by square windows. Those that hang over a border (`pad` above and to the left) have fewer
/// pixels; a mean divides by all of them or, without `count_outside`, by those in the image.
struct PoolImage {
  Index in_h, in_w, channels, out_h, out_w, kernel, stride, pad = 0;
  bool count_outside = true;
};

/// Square tiles of images, for the maps of simd/winograd.h, and the block of values at the points that
/// belongs to them: value (point, t, channel) lies at point * plane + t * tile + channel. Strides count
/// values, as above.
struct WinogradImages {
  Index height, width, channels;
  Index image, pixel;        ///< step between images, between pixels
  Index down, across;        ///< tiles of an image along each axis; numbered on through all images
  Index first, count;        ///< the tiles meant
  Index edge;                ///< points along one axis: 6 with tiles of 3, 4, 6 or 8 with tiles of 4, 5, 8
  Index size, step, before;  ///< edge of a tile; steps between tiles; where the first begins before the image
  bool mirrored;             ///< tiles are read back to front on both axes
  Index plane, tile;         ///< step between points, between tiles at one point
};

/// What one step of SGD needs besides its arrays; see sgd_step in elementwise.h.
struct SgdStep {
  Real rate, momentum, decay;
  bool nesterov;
};

/// The loops of one instruction set. All run on the calling thread; the public functions of this folder cut
/// the work.
struct InstructionSet {
  const char* name;
  Index lanes;

  /// Values in a packed weight of `taps` x `channels`.
  Index (*packed_size)(Index taps, Index channels);
  /// to[r * to_step + c] = from[c * from_step + r] for `rows` x `columns` values.
  void (*transpose)(Index rows, Index columns, const Real* from, Index from_step, Real* to, Index to_step);
  /// Packs bias[channels] (or zeros if null) and a weight given by steps: value (row, tap, channel) is
  /// w[row * row_step + tap / inner * outer_step + tap % inner * inner_step + channel * channel_step].
  void (*pack)(const struct WeightView& w, const Real* bias, Real* packed);
  /// y = bias + windows of x times the packed weight, finished.
  void (*conv_image)(const ConvImage& g, const Real* x, const Real* packed, const Finish& finish, Real* y);

  /// Values between two output channels in the sums of conv_weight_image, if nothing lies between them.
  Index (*weight_sum_step)(Index rows, Index window);
  /// sums[channel * step + row * (window rounded up to lanes) + k] (+)= sum over pixels of dy * x. Reads up
  /// to lanes - 1 values past the last window of x. `add` is false for the first image of a sum.
  void (*conv_weight_image)(const ConvImage& g, const Real* x, const Real* dy, bool add, Real* sums,
                            Index step);

  /// Output rows [begin, end): y = bias (may be null) + taps of x times w[kernel_h][kernel_w][channels], finished.
  void (*depthwise)(const DepthwiseImage& g, Index begin, Index end, const Real* x, const Real* w,
                    const Real* bias, const Finish& finish, Real* y);
  /// sums[kernel_h][kernel_w][channels] += taps of x times dy, over the output rows [begin, end).
  void (*depthwise_weight)(const DepthwiseImage& g, Index begin, Index end, const Real* x, const Real* dy,
                           Real* sums);

  /// Tiles to their values at the points: of size `edge` as data, smaller ones as filters. `zeros` has
  /// `channels` zeros, read outside the image.
  void (*winograd_points)(const WinogradImages& g, const Real* images, const Real* zeros, Real* points);
  /// Products at the points to tiles smaller than `edge`, plus bias (may be null), finished.
  /// Values outside the image go to `nowhere`, which has room for `channels`.
  void (*winograd_images)(const WinogradImages& g, const Real* points, const Real* bias, const Finish& finish,
                          Real* nowhere, Real* images);
  /// The values at the points of a weight [taps][kernel][kernel][channels], mirrored if asked; each
  /// is packed for conv_image without bias, packed_size(taps, channels) values after the one before.
  void (*winograd_pack)(Index taps, Index channels, Index kernel, bool mirrored, const Real* w, Real* packed);

  // One image of pool2d.h.
  void (*max_pool)(const PoolImage& g, const Real* x, bool relu, Real* y, Real* which);
  void (*max_pool_grad)(const PoolImage& g, const Real* dy, const Real* which, Real* dx);
  void (*max_pool_gather)(const PoolImage& g, const Real* x, const Real* which, Real* y);
  void (*average_pool)(const PoolImage& g, const Real* x, Real* y);
  void (*average_pool_grad)(const PoolImage& g, const Real* dy, Real* dx);

  // [rows, channels] of batch_norm.h; sums are written, not added to.
  /// sum[c] = sum_r (x[r,c] - origin[c]), square[c] = the sum of its squares.
  void (*moments)(Index rows, Index channels, const Real* x, const Real* origin, double* sum, double* square);
  /// sum[c] = sum_r x[r,c]; product[c] = sum_r x[r,c] z[r,c] unless z is null. With `scale`, only the x whose
  /// z scale + shift is where `finish` passes changes on.
  void (*sums)(Index rows, Index channels, const Real* x, const Real* z, const Real* scale, const Real* shift,
               const Finish& finish, double* sum, double* product);
  void (*affine)(Index rows, Index channels, const Real* x, const Real* scale, const Real* shift,
                 const Real* add, const Finish& finish, Real* y);
  /// dx[r,c] = a[c] dy[r,c] + b[c] (x[r,c] - mean[c]) + d[c]. With `scale`, dy counts as 0 where `finish` lets
  /// no change of x scale + shift through.
  void (*affine_pair)(Index rows, Index channels, const Real* dy, const Real* x, const Real* a, const Real* b,
                      const Real* mean, const Real* d, const Real* scale, const Real* shift,
                      const Finish& finish, Real* dx);
  /// dx[r,c] = low < y[r,c] < high ? scale[c] dy[r,c] : 0.
  void (*scale_within)(Index rows, Index channels, Real low, Real high, const Real* dy, const Real* y,
                       const Real* scale, Real* dx);

  // elementwise.h.
  void (*add)(Index n, const Real* a, const Real* b, Real* y);
  void (*add_relu)(Index n, const Real* a, const Real* b, Real* y);
  void (*axpby)(Index n, Real alpha, const Real* a, Real beta, const Real* b, Real* y);
  void (*scale)(Index n, Real alpha, const Real* x, Real* y);
  void (*multiply)(Index n, const Real* a, const Real* b, Real* y);
  void (*relu)(Index n, const Real* x, Real* y);
  void (*keep_positive)(Index n, const Real* x, const Real* sign, Real* y);
  /// y = low < at < high ? x : 0.
  void (*keep_within)(Index n, Real low, Real high, const Real* x, const Real* at, Real* y);
  void (*finish)(Index n, const Finish& f, const Real* x, Real* y);
  /// dx = dy times the slope of `f` (relu, clip, hard_swish) at x.
  void (*finish_grad)(Index n, const Finish& f, const Real* x, const Real* dy, Real* dx);
  /// y = e^x for x <= 80, to two units in the last place; 0 where that is no normal number.
  void (*exponential)(Index n, const Real* x, Real* y);
  /// y[r,c] = a[r] b[c], written past the caches.
  void (*outer)(Index rows, Index columns, const Real* a, const Real* b, Real* y);
  double (*dot)(Index n, const Real* a, const Real* b);
  /// `mask` may be null: all ones.
  void (*sgd)(const SgdStep& step, Index n, const Real* gradient, const Real* mask, Real* velocity, Real* w);

  // mixed.h; the last two take four rows of `a`, lda apart.
  double (*mixed_dot)(Index n, const float* a, const double* x);
  void (*mixed_add_rows)(Index n, const float* a, Index lda, const double* x, double* y);
  void (*mixed_add_squares)(Index n, const float* a, Index lda, double* y);

  /// Loops with images innermost, and by the weights kept: blocked_loops.h.
  const struct BlockedLoops* blocked;
};

/// A weight as the packing sees it; see InstructionSet::pack.
struct WeightView {
  const Real* w;
  Index rows, window, channels;
  Index row_step, inner, outer_step, inner_step, channel_step;
};

/// The best instruction set of this CPU, or the one asked for by ESPALIER_CPU.
const InstructionSet& instruction_set();
/// The one of that name, or null if this CPU or this build has none.
const InstructionSet* find_instruction_set(const char* name);
/// Makes instruction_set() return `chosen`; for tests.
void use_instruction_set(const InstructionSet& chosen);

}  // namespace espalier::kernels
