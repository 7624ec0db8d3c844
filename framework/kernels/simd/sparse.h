// sparse.h: convolution by the weights that were kept. R x C output pixels of one channel stay in registers,
// each a vector of images; per kept weight one broadcast, R C loads that feed R C multiply-adds. Which weight
// it is costs nothing but the two words of its tap, so time follows the number of weights.
#pragma once

#include "framework/kernels/blocked_loops.h"
#include "framework/kernels/simd/lanes.h"

namespace espalier::kernels::ESPALIER_LEVEL {

// With the weight and, without fused multiply-add, a product, they fill 32 or 16 registers.
constexpr int most_sparse_pixels = ESPALIER_VECTOR_BYTES == 64 ? 28 : 14;
constexpr int most_sparse_columns = ESPALIER_VECTOR_BYTES == 64 ? 16 : 14;
// Of strides above 2, whose pixels are no constant apart: each needs an address of its own.
constexpr int most_strided_columns = 4;

/// Calls fn(r, c) for the pixels of a block, unrolled.
template <int R, int C, class Fn>
static inline __attribute__((always_inline)) void for_each_pixel(Fn fn) {
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
    for (int c = 0; c < C; ++c) fn(r, c);
}

/// One block of pixels, one block of input channels, all runs of it. S is the stride, 0 if known at run time
/// only.
template <int R, int C, int S>
static void sparse_block(const SparseSteps& s, const SparseList& list, Index block, const Real* x,
                         const Real* add, Real* y) {
  const SparseRun* const end = list.runs + list.first_run[block + 1];
  const SparseTap* tap = list.taps + list.first_tap[block];
  const Index pixel = (S ? S : s.stride) * lanes, row = s.x_row;
  const bool first = block == 0, last = block + 1 == list.blocks;
  for (const SparseRun* run = list.runs + list.first_run[block]; run != end; ++run) {
    Vector sum[R][C];
    Real* const to = y + run->channel * s.y_plane;
    if (first) {
      const Vector bias = Vector{} + list.bias[run->channel];
      for_each_pixel<R, C>([&](int r, int c) { sum[r][c] = bias; });
    } else {
      for_each_pixel<R, C>([&](int r, int c) { sum[r][c] = load(to + r * s.y_row + c * lanes); });
    }
    for (const SparseTap* const last_tap = tap + run->taps; tap != last_tap; ++tap) {
      const Real* const from = x + tap->offset;
      const Vector weight = Vector{} + tap->weight;
      for_each_pixel<R, C>([&](int r, int c) { sum[r][c] += weight * load(from + r * row + c * pixel); });
    }
    if (last) {
      if (add) {
        const Real* const from = add + run->channel * s.add_plane;
        for_each_pixel<R, C>([&](int r, int c) { sum[r][c] += load(from + r * s.add_row + c * lanes); });
      }
      if (s.relu) for_each_pixel<R, C>([&](int r, int c) { sum[r][c] = rectified(sum[r][c]); });
    }
    for_each_pixel<R, C>([&](int r, int c) { store(to + r * s.y_row + c * lanes, sum[r][c]); });
  }
}

using SparseBlock = void (*)(const SparseSteps&, const SparseList&, Index, const Real*, const Real*, Real*);
/// Blocks of R rows and one to sizeof...(C) columns.
template <int R, int S, class Columns>
struct SparseBlocks;
template <int R, int S, int... C>
struct SparseBlocks<R, S, Count<C...>> {
  static constexpr SparseBlock of[] = {sparse_block<R, C + 1, S>...};
};
constexpr int most_columns(int rows) {
  return most_sparse_pixels / rows < most_sparse_columns ? most_sparse_pixels / rows : most_sparse_columns;
}
template <int S>
static SparseBlock sparse_block_of(Index rows, Index columns) {
  if constexpr (S == 0) return SparseBlocks<1, 0, CountTo<most_strided_columns>::type>::of[columns - 1];
  if (rows == 4) return SparseBlocks<4, S, typename CountTo<most_columns(4)>::type>::of[columns - 1];
  if (rows == 2) return SparseBlocks<2, S, typename CountTo<most_columns(2)>::type>::of[columns - 1];
  return SparseBlocks<1, S, typename CountTo<most_columns(1)>::type>::of[columns - 1];
}

static void sparse_conv(const SparseSteps& s, const SparseList& list, const Real* x, const Real* add,
                        Real* y) {
  const bool strided = s.stride > 2;
  const auto block_of = strided         ? sparse_block_of<0>
                        : s.stride == 2 ? sparse_block_of<2>
                                        : sparse_block_of<1>;
  const Index widest =
      smaller(s.columns, strided ? most_strided_columns : most_columns(static_cast<int>(s.rows)));
  // Columns are cut evenly (15 = 8 + 7); rows by as many as asked for while they last, then 2, then 1.
  const Index cuts = (s.out_w + widest - 1) / widest;
  Index rows = 0;
  for (Index p = 0; p < s.out_h; p += rows) {
    const Index left = s.out_h - p;
    rows = strided ? 1 : smaller(s.rows, left >= 4 ? 4 : left >= 2 ? 2 : 1);
    for (Index k = 0; k < cuts; ++k) {
      const Index q = k * s.out_w / cuts, columns = (k + 1) * s.out_w / cuts - q;
      const SparseBlock run = block_of(rows, columns);
      const Real* const from = x + p * s.x_row + q * s.stride * lanes;
      const Real* const plus = add ? add + p * s.add_row + q * lanes : nullptr;
      for (Index b = 0; b < list.blocks; ++b) run(s, list, b, from, plus, y + p * s.y_row + q * lanes);
    }
  }
}

/// Four sums at a time, as a sum on its own would wait four cycles for each addition.
static void sparse_row(const SparseList& list, const Real* x, bool relu, Real* y) {
  const SparseTap* tap = list.taps;
  for (const SparseRun* run = list.runs; run != list.runs + list.first_run[1]; ++run) {
    Real sum[4] = {list.bias[run->channel], 0, 0, 0};
    const SparseTap* const end = tap + run->taps;
    for (; end - tap >= 4; tap += 4)
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) sum[k] += tap[k].weight * x[tap[k].offset];
    for (; tap != end; ++tap) sum[0] += tap->weight * x[tap->offset];
    const Real total = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    y[run->channel] = relu ? rectified(total) : total;
  }
}

}  // namespace espalier::kernels::ESPALIER_LEVEL
