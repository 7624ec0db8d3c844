// sparse_conv2d.h: convolution and linear layers by the weights that were kept, prepared once. Time and
// memory follow the number of nonzero weights: 8 bytes each, and 8 for every output channel of every block of
// input channels. Activations are in the blocked layout (blocked_images.h). The definition is
// conv2d_reference with the same weights.
#pragma once

#include <cstddef>
#include <vector>

#include "framework/kernels/blocked_images.h"
#include "framework/kernels/blocked_loops.h"
#include "framework/kernels/conv2d.h"

namespace espalier::kernels {

struct InstructionSet;

/// How a layer is cut; 0 lets the shapes and the density decide. `rows` and `columns` change no bit of the
/// result, `in_block` the order of its sums.
struct SparseCut {
  Index rows = 0, columns = 0;  ///< output pixels in registers: 1, 2 or 4 rows
  Index in_block = 0;           ///< input channels visited before the next output channel begins anew
};

BlockedWindow sparse_window(const ConvGeometry& g);

/// Taps of one layer in the order in which the loops visit them. The channels are dealt out to `lists`, so
/// that as many threads can take one each; every sum belongs to one list, so their number changes no bit.
class SparseTaps {
 public:
  /// Weights [channels, taps] in rows; tap k of the sums is value weight_at[k] of a row and meets the input
  /// `offset[k]` values behind the window's first.
  struct Source {
    Index channels;
    const Real* weights;
    std::vector<Index> weight_at;
    std::vector<std::int32_t> offset;
    Index block;  ///< taps of a block of input channels
  };
  SparseTaps(const Source& source, const Real* bias, Index lists);
  Index lists() const { return static_cast<Index>(parts_.size()); }
  SparseList list(Index k) const;
  /// Output channels of list k: as many as make an even share of the taps.
  Range channels(Index k) const { return parts_[k].channels; }
  Index nonzeros() const { return nonzeros_; }
  std::size_t memory() const;

 private:
  struct Part {
    Range channels;
    std::vector<Index> first_run, first_tap;
    std::vector<SparseRun> runs;
    std::vector<SparseTap> taps;
  };
  std::vector<Part> parts_;
  std::vector<Real> bias_;
  Index nonzeros_ = 0;
};

/// One convolution (groups 1) between two blocked shapes. Belongs to the instruction set in use when it is
/// made.
class SparseConv2d {
 public:
  /// `w` OHWI, `bias` may be null; zeros of `w` are left out. `lists`: threads that may share an image.
  SparseConv2d(const ConvGeometry& g, const Real* w, const Real* bias, const BlockedShape& in,
               const BlockedShape& out, Index lists = 1, SparseCut cut = {});
  /// y = conv(x) + bias + add, then max(., 0) if `relu`, for the groups of `n` images. `add` (null for none)
  /// has shape `add_shape`, of the extents of y. Halos of y are filled. Parallel over groups and lists.
  void run(Index n, const Real* x, bool relu, Real* y, const Real* add = nullptr,
           const BlockedShape& add_shape = {}) const;
  Index nonzeros() const { return taps_.nonzeros(); }
  const SparseCut& cut() const { return cut_; }
  /// Bytes of the prepared layer.
  std::size_t memory() const { return sizeof(*this) + taps_.memory(); }

 private:
  const InstructionSet& simd_;
  BlockedShape in_, out_;
  Extent2 pad_;
  SparseCut cut_;
  SparseSteps steps_;
  SparseTaps taps_;
};

/// Examples side by side: [block of 64 examples][feature][example], the layout of linear layers on large
/// batches.
constexpr Index column_examples = 64;
inline Index column_blocks(Index n) { return (n + column_examples - 1) / column_examples; }
/// Rows [n, features] to columns and back. Lanes missing in the last block's vectors repeat an example. Parallel
/// over blocks.
void rows_to_columns(Index n, Index features, const Real* rows, Real* columns);
void columns_to_rows(Index n, Index features, const Real* columns, Real* rows);
/// y = x w' + bias by the weights kept, w [out, in].
class SparseLinear {
 public:
  SparseLinear(Index in, Index out, const Real* w, const Real* bias);
  /// Between columns; parallel over blocks of 64 examples.
  void columns(Index n, const Real* x, bool relu, Real* y) const;
  /// Between rows, example by example: for small batches. Parallel over examples.
  void rows(Index n, const Real* x, bool relu, Real* y) const;
  Index nonzeros() const { return rows_.nonzeros(); }
  std::size_t memory() const { return sizeof(*this) + rows_.memory() + columns_.memory(); }

 private:
  const InstructionSet& simd_;
  Index in_, out_;
  SparseTaps rows_, columns_;
};

}  // namespace espalier::kernels
