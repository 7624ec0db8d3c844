// blocked_loops.h: the inner loops of the blocked layout (blocked_images.h) and of sparse products in it, by
// instruction set; see InstructionSet::blocked. All run on the calling thread.
#pragma once

#include <cstdint>

#include "framework/kernels/blocked_images.h"

namespace espalier::kernels {

/// A weight that was kept, and where its input lies: values from the window's first one.
struct SparseTap {
  std::int32_t offset;
  Real weight;
};
/// The next `taps` taps belong to output channel `channel`.
struct SparseRun {
  std::int32_t channel, taps;
};

/// The taps of some output channels, block of input channels by block of input channels. In the first and the
/// last block every channel has a run, be it an empty one.
struct SparseList {
  Index blocks;
  const Index* first_run;  ///< of each block, and one past the last
  const Index* first_tap;
  const SparseRun* runs;
  const SparseTap* taps;
  const Real* bias;  ///< of all output channels
};

/// Strides of one group, in values. `rows` x `columns` output pixels of a channel stay in registers.
struct SparseSteps {
  Index out_h, out_w;
  Index rows, columns;
  Index stride;          ///< in pixels, across
  Index x_row;           ///< between the inputs of two output rows
  Index y_row, y_plane;  ///< between output rows, output channels
  Index add_row, add_plane;
  bool relu;
};

/// Average or maximum over windows of one plane.
struct BlockedPool {
  Index out_h, out_w, kernel, stride;
  Index x_row, y_row;
  bool relu;  ///< of the maximum only
};

struct BlockedLoops {
  /// Pixels in the registers of sparse_conv at most; columns may be cut further for strides above 2.
  Index most_pixels;
  /// y = bias + sum of taps + add (unless null), then max(., 0) if asked. `x` is the first value of the first
  /// window.
  void (*sparse_conv)(const SparseSteps& s, const SparseList& list, const Real* x, const Real* add, Real* y);
  /// y[channel] = bias + sum of taps for one example, whose features lie side by side. The list has one
  /// block.
  void (*sparse_row)(const SparseList& list, const Real* x, bool relu, Real* y);

  /// fill_halos of blocked_images.h for shapes of several tiles.
  void (*fill_halos)(const BlockedShape& s, Index count, Real* planes);
  /// Pixels of one group from and to its NHWC images, of which `images` has one pointer each.
  void (*load_images)(const BlockedShape& s, const Real* const* images, Real* group);
  void (*store_images)(const BlockedShape& s, const Real* group, Real* const* images);

  // One plane; pointers are to the first pixel.
  void (*max_pool)(const BlockedPool& g, const Real* x, Real* y);
  void (*average_pool)(const BlockedPool& g, const Real* x, Real* y);
  void (*add)(Index height, Index width, bool relu, const Real* a, Index a_row, const Real* b, Index b_row,
              Real* y, Index y_row);
  /// sums[lane] over all pixels.
  void (*sum)(Index height, Index width, const Real* x, Index x_row, Real* sums);
};

}  // namespace espalier::kernels
