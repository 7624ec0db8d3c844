// conv_forward.h: the register tile of the forward convolution: P output pixels x O vectors of output
// channels stay in registers while the loop runs over the window.
// Per step: O weight loads, P broadcasts, P*O multiply-adds.
#pragma once

#include "framework/kernels/instruction_set.h"
#include "framework/kernels/simd/finish.h"
#include "framework/kernels/simd/lanes.h"

namespace espalier::kernels::ESPALIER_LEVEL {

// 28 + 2 weights + 1 broadcast of 32 registers; 12 + 2 + 1 of 16.
constexpr int max_pixels = ESPALIER_VECTOR_BYTES == 64 ? 14 : 6;
// Of tiles one half or small vector wide, which need as many broadcasts as multiply-adds: the fewer others.
constexpr int max_narrow_pixels = ESPALIER_VECTOR_BYTES == 64 ? 24 : 12;
constexpr int max_vectors = 2;

/// Channels of the next block when `left` remain: two vectors, or for the last ones the smallest vector that
/// holds them (3 channels in 16 lanes would waste four fifths of the arithmetic). 20 are 16 and 4.
static Index block_width(Index left) {
  if (left >= max_vectors * lanes || left > lanes + half_lanes) return max_vectors * lanes;
  return left > half_lanes ? lanes : left > small_lanes ? half_lanes : small_lanes;
}
static Index padded_channels(Index channels) {
  Index padded = 0;
  while (padded < channels) padded += block_width(channels - padded);
  return padded;
}
static Index packed_size(Index taps, Index channels) { return (taps + 1) * padded_channels(channels); }

/// to[t * to_step + c] = from[c * from_step + t], in squares of small_lanes, two at a time where a HalfVector
/// holds two; in strips of taps, so that the lines written to stay in the first-level cache.
static void transpose(Index taps, Index channels, const Real* from, Index from_step, Real* to,
                      Index to_step) {
  constexpr Index strip = 64;
  const Index squares = taps - taps % small_lanes, pairs = channels - channels % half_lanes;
  for (Index t0 = 0; t0 < squares; t0 += strip)
    for (Index c = 0; c < pairs; c += half_lanes)
      for (Index t = t0; t < smaller(t0 + strip, squares); t += small_lanes) {
        HalfVector rows[small_lanes];
#pragma GCC unroll 4
        for (int j = 0; j < small_lanes; ++j)
          rows[j] = load_rows<HalfVector>(from + (c + j) * from_step + t, small_lanes * from_step);
        transpose_squares(rows);
#pragma GCC unroll 4
        for (int i = 0; i < small_lanes; ++i) store(to + (t + i) * to_step + c, rows[i]);
      }
  for (Index c = 0; c < channels; ++c)
    for (Index t = c < pairs ? squares : 0; t < taps; ++t) to[t * to_step + c] = from[c * from_step + t];
}

/// Packed layout: bias of all channels; then per block: [row][tap][channel of the block].
static void pack(const WeightView& v, const Real* bias, Real* packed) {
  const Index padded = padded_channels(v.channels);
  for (Index c = 0; c < padded; ++c) packed[c] = bias && c < v.channels ? bias[c] : Real(0);
  Real* block = packed + padded;
  for (Index c0 = 0, width = 0; c0 < padded; c0 += width) {
    width = block_width(v.channels - c0);
    const Index filled = smaller(width, v.channels - c0);
    for (Index row = 0; row < v.rows; ++row)
      for (Index outer = 0; outer * v.inner < v.window; ++outer) {
        const Real* from = v.w + row * v.row_step + outer * v.outer_step + c0 * v.channel_step;
        Real* to = block + (row * v.window + outer * v.inner) * width;
        if (v.inner_step == 1)
          transpose(v.inner, filled, from, v.channel_step, to, width);
        else
          for (Index t = 0; t < v.inner; ++t)
            for (Index c = 0; c < filled; ++c)
              to[t * width + c] = from[t * v.inner_step + c * v.channel_step];
        for (Index t = 0; t < v.inner; ++t)
          for (Index c = filled; c < width; ++c) to[t * width + c] = 0;
      }
    block += v.rows * v.window * width;
  }
}

template <class V, int P, int O>
static void conv_tile(const ConvImage& g, const Real* x, const Real* w, const Real* bias, Index channels,
                      const Finish& finish, Real* y) {
  constexpr int width = static_cast<int>(sizeof(V) / sizeof(Real));
  V sum[P][O];
#pragma GCC unroll 24
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
    for (int o = 0; o < O; ++o) sum[p][o] = load_as<V>(bias + o * width);
  const Index step = g.x_pixel;
  for (Index row = 0; row < g.rows; ++row) {
    // One pointer per three pixels: the other two are reached by an index register, as x86 addresses allow.
    const Real* pixel[(P + 2) / 3];
#pragma GCC unroll 24
    for (int p = 0; p < P; p += 3) pixel[p / 3] = x + row * g.window_row + p * step;
    for (Index k = 0; k < g.window; ++k) {
      V weight[O];
#pragma GCC unroll 4
      for (int o = 0; o < O; ++o) weight[o] = load_as<V>(w + o * width);
      w += O * width;
#pragma GCC unroll 24
      for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
        for (int o = 0; o < O; ++o) sum[p][o] += weight[o] * pixel[p / 3][p % 3 * step];
#pragma GCC unroll 24
      for (int p = 0; p < P; p += 3) ++pixel[p / 3];
    }
  }
  with_finish(
      finish, [&](auto fn) __attribute__((always_inline)) {
#pragma GCC unroll 24
        for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
          for (int o = 0; o < O; ++o) sum[p][o] = fn(sum[p][o]);
      });
  if (channels == O * width) {
#pragma GCC unroll 24
    for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
      for (int o = 0; o < O; ++o) store(y + p * g.y_pixel + o * width, sum[p][o]);
  } else {
    Real row[O * width];
#pragma GCC unroll 24
    for (int p = 0; p < P; ++p) {
#pragma GCC unroll 4
      for (int o = 0; o < O; ++o) store(row + o * width, sum[p][o]);
      for (Index c = 0; c < channels; ++c) y[p * g.y_pixel + c] = row[c];
    }
  }
}

using ConvTile = void (*)(const ConvImage&, const Real*, const Real*, const Real*, Index, const Finish&,
                          Real*);
/// Tiles one to sizeof...(P) pixels long.
template <class V, int O, class Pixels>
struct ConvTiles;
template <class V, int O, int... P>
struct ConvTiles<V, O, Count<P...>> {
  static constexpr ConvTile of[] = {conv_tile<V, P + 1, O>...};
};
static ConvTile conv_tile_of(Index width, Index pixels) {
  using Wide = CountTo<max_pixels>::type;
  using Narrow = CountTo<max_narrow_pixels>::type;
  const ConvTile* tiles = width > lanes         ? ConvTiles<Vector, max_vectors, Wide>::of
                          : width > half_lanes  ? ConvTiles<Vector, 1, Wide>::of
                          : width > small_lanes ? ConvTiles<HalfVector, 1, Narrow>::of
                                                : ConvTiles<SmallVector, 1, Narrow>::of;
  return tiles[pixels - 1];
}

static void conv_image(const ConvImage& g, const Real* x, const Real* packed, const Finish& finish, Real* y) {
  const Index padded = padded_channels(g.channels);
  // Rows of x that stay in the second-level cache while all output channels pass over them.
  constexpr Index cached = 256 * 1024 / static_cast<Index>(sizeof(Real));
  const Index strip =
      g.x_row > 0 && g.x_row * g.out_h > cached ? (cached / g.x_row > 1 ? cached / g.x_row : 1) : g.out_h;
  for (Index begin = 0; begin < g.out_h; begin += strip)
    for (Index c0 = 0, width = 0; c0 < padded; c0 += width) {
      width = block_width(g.channels - c0);
      const Index channels = smaller(width, g.channels - c0);
      // Tiles of a row differ by at most one pixel: 15 = 8 + 7, not 14 + 1.
      const Index most = width > half_lanes ? max_pixels : max_narrow_pixels;
      const Index tiles = (g.out_w + most - 1) / most;
      const Real* weight = packed + padded + c0 * g.taps();
      for (Index p = begin; p < smaller(begin + strip, g.out_h); ++p)
        for (Index t = 0; t < tiles; ++t) {
          const Index first = t * g.out_w / tiles, pixels = (t + 1) * g.out_w / tiles - first;
          conv_tile_of(width, pixels)(g, x + p * g.x_row + first * g.x_pixel, weight, packed + c0, channels,
                                      finish, y + p * g.y_row + first * g.y_pixel + c0);
        }
    }
}

}  // namespace espalier::kernels::ESPALIER_LEVEL
