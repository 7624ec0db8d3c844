// conv_weight.h: the register tile of the weight gradient: OT output channels x KV vectors of window values
// stay in registers while the loop runs over output pixels. Vectors lie along the window, so the sums have
// the layout of the OHWI weight itself and nothing is transposed afterwards.
#pragma once

#include "framework/kernels/instruction_set.h"
#include "framework/kernels/simd/lanes.h"

namespace espalier::kernels::ESPALIER_LEVEL {

// 24 + 3 + 1 of 32 registers; 8 + 2 + 1 (+ 1 product without FMA) of 16.
constexpr int max_window_vectors = ESPALIER_VECTOR_BYTES == 64 ? 3 : 2;
constexpr int max_outputs = ESPALIER_VECTOR_BYTES == 64 ? 8 : 4;

static Index padded_window(Index window) { return (window + lanes - 1) / lanes * lanes; }
static Index weight_sum_step(Index rows, Index window) { return rows * padded_window(window); }

struct PixelRows {
  Index begin, end;
};

/// x + offset[j] is where vector j of the window begins at output pixel (0, 0).
template <int KV, int OT>
static void weight_tile(const ConvImage& g, PixelRows rows, const Real* x, const Index* offset,
                        const Real* dy, bool add, Real* sums, Index sums_step) {
  Vector sum[OT][KV];
#pragma GCC unroll 16
  for (int o = 0; o < OT; ++o)
#pragma GCC unroll 4
    for (int j = 0; j < KV; ++j) sum[o][j] = Vector{};
  for (Index p = rows.begin; p < rows.end; ++p) {
    const Real* from[KV];
#pragma GCC unroll 4
    for (int j = 0; j < KV; ++j) from[j] = x + p * g.x_row + offset[j];
    const Real* d = dy + p * g.y_row;
    for (Index r = 0; r < g.out_w; ++r) {
      Vector v[KV];
#pragma GCC unroll 4
      for (int j = 0; j < KV; ++j) v[j] = load(from[j]);
#pragma GCC unroll 16
      for (int o = 0; o < OT; ++o)
#pragma GCC unroll 4
        for (int j = 0; j < KV; ++j) sum[o][j] += v[j] * d[o];
#pragma GCC unroll 4
      for (int j = 0; j < KV; ++j) from[j] += g.x_pixel;
      d += g.y_pixel;
    }
  }
#pragma GCC unroll 16
  for (int o = 0; o < OT; ++o)
#pragma GCC unroll 4
    for (int j = 0; j < KV; ++j) {
      Real* to = sums + o * sums_step + j * lanes;
      store(to, add ? load(to) + sum[o][j] : sum[o][j]);
    }
}

using WeightTile = void (*)(const ConvImage&, PixelRows, const Real*, const Index*, const Real*, bool, Real*,
                            Index);
template <class Outputs>
struct WeightTiles;
template <int... O>
struct WeightTiles<Count<O...>> {
  static constexpr WeightTile of[3][sizeof...(O)] = {
      {weight_tile<1, O + 1>...}, {weight_tile<2, O + 1>...}, {weight_tile<max_window_vectors, O + 1>...}};
};

static void conv_weight_image(const ConvImage& g, const Real* x, const Real* dy, bool add, Real* sums,
                              Index step) {
  using Tiles = WeightTiles<CountTo<max_outputs>::type>;
  const Index per_row = padded_window(g.window) / lanes, vectors = g.rows * per_row;
  // Rows of pixels whose x and dy stay in the first-level cache while all tiles pass over them.
  const Index row_values = g.x_row + g.out_w * g.y_pixel;
  const Index cached = 24 * 1024 / static_cast<Index>(sizeof(Real));
  const Index block =
      row_values * g.out_h <= cached ? g.out_h : (cached / row_values > 4 ? cached / row_values : 4);
  for (Index p = 0; p < g.out_h; p += block) {
    const PixelRows rows{p, smaller(p + block, g.out_h)};
    // As even as can be: 4 vectors are 2 + 2, not 3 + 1.
    const Index parts = (vectors + max_window_vectors - 1) / max_window_vectors;
    for (Index part = 0; part < parts; ++part) {
      const Index v = part * vectors / parts, count = (part + 1) * vectors / parts - v;
      Index offset[max_window_vectors] = {};
      for (Index j = 0; j < count; ++j)
        offset[j] = (v + j) / per_row * g.window_row + (v + j) % per_row * lanes;
      for (Index o = 0; o < g.channels; o += max_outputs) {
        const Index outputs = smaller(max_outputs, g.channels - o);
        Tiles::of[count - 1][outputs - 1](g, rows, x, offset, dy + o, add || p > 0,
                                          sums + o * step + v * lanes, step);
      }
    }
  }
}

}  // namespace espalier::kernels::ESPALIER_LEVEL
