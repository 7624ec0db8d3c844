// depthwise.h: convolution of each channel by itself, vectors along channels. Nothing is padded or copied: taps outside
// the image are left out, row by row, and pixel by pixel at the borders.
// Per step of the tile: K weights and (P - 1) S + K pixels loaded for P K multiply-adds.
#pragma once

#include "framework/kernels/instruction_set.h"
#include "framework/kernels/simd/finish.h"
#include "framework/kernels/simd/lanes.h"

namespace espalier::kernels::ESPALIER_LEVEL {

template <int N>
struct Number {
  static constexpr int value = N;
};
/// An index within an array of taps also where the result is not used.
static constexpr int tap_of(int tap, int taps) { return tap < 0 || tap >= taps ? 0 : tap; }
/// Taps, or output pixels, of one axis: [begin, end).
struct Span1 {
  Index begin, end;
};

/// The taps that lie within [0, extent) when the first lies at `at`.
static inline Span1 taps_within(Index at, Index kernel, Index dilation, Index extent) {
  const Index begin = at < 0 ? (dilation - 1 - at) / dilation : 0;
  const Index end = at < extent ? smaller(kernel, (extent - 1 - at) / dilation + 1) : 0;
  return {begin, end < begin ? begin : end};
}
/// The outputs of [begin, end) all of whose taps lie within [0, extent); output r begins at first + r stride.
static inline Span1 outputs_within(Span1 all, Index first, Index stride, Index reach, Index extent) {
  Index begin = first < 0 ? (stride - 1 - first) / stride : 0;
  const Index last = extent - 1 - reach - first;
  Index end = last < 0 ? 0 : last / stride + 1;
  begin = begin < all.begin ? all.begin : smaller(begin, all.end);
  end = end < begin ? begin : smaller(end, all.end);
  return {begin, end};
}

/// Calls fn(Type<V>(), c) so that the calls cover [0, count): the widest vectors first, single values last.
template <class Fn>
static inline void for_each_width(Index count, Fn fn) {
  Index c = 0;
  for (; c + lanes <= count; c += lanes) fn(Type<Vector>(), c);
  if constexpr (half_lanes < lanes)
    for (; c + half_lanes <= count; c += half_lanes) fn(Type<HalfVector>(), c);
  if constexpr (small_lanes < half_lanes)
    for (; c + small_lanes <= count; c += small_lanes) fn(Type<SmallVector>(), c);
  for (; c < count; ++c) fn(Type<Real>(), c);
}

/// P output pixels of one vector of channels. K: columns of the kernel, S: stride of columns; K = 0: those of `columns`
/// and of `g`. `at` is where tap (0, 0) of the first pixel would lie in x.
template <class V, int P, int K, int S>
static inline void depthwise_tile(const DepthwiseImage& g, Span1 rows, Span1 columns, const Real* x, Index at,
                                  const Real* w, V bias, const Finish& finish, Real* y) {
  V sum[P];
#pragma GCC unroll 8
  for (int o = 0; o < P; ++o) sum[o] = bias;
  for (Index t = rows.begin; t < rows.end; ++t) {
    const Index row = at + t * g.dilation_h * g.x_row;
    const Real* taps = w + t * g.kernel_w * g.tap;
    if constexpr (K > 0) {
      const Real* from = x + row;
      V weight[K];
#pragma GCC unroll 8
      for (int k = 0; k < K; ++k) weight[k] = load_as<V>(taps + k * g.tap);
#pragma GCC unroll 32
      for (int i = 0; i < (P - 1) * S + K; ++i) {
        const V value = load_as<V>(from + i * g.x_pixel);
#pragma GCC unroll 8
        for (int o = 0; o < P; ++o)
          if (i >= o * S && i < o * S + K) sum[o] += weight[tap_of(i - o * S, K)] * value;
      }
    } else {
      for (Index k = columns.begin; k < columns.end; ++k) {
        const V weight = load_as<V>(taps + k * g.tap);
        const Real* from = x + (row + k * g.dilation_w * g.x_pixel);
#pragma GCC unroll 8
        for (int o = 0; o < P; ++o) sum[o] += weight * load_as<V>(from + o * g.stride_w * g.x_pixel);
      }
    }
  }
  with_finish(
      finish, [&](auto fn) __attribute__((always_inline)) {
#pragma GCC unroll 8
        for (int o = 0; o < P; ++o) sum[o] = fn(sum[o]);
      });
#pragma GCC unroll 8
  for (int o = 0; o < P; ++o) store(y + o * g.y_pixel, sum[o]);
}

/// The output rows [begin, end) of one vector of channels.
template <class V, int K, int S>
static void depthwise_rows(const DepthwiseImage& g, Span1 outputs, const Real* x, const Real* w, V bias,
                           const Finish& finish, Real* y) {
  const Span1 all{0, g.kernel_w};
  const Span1 inner =
      outputs_within({0, g.out_w}, g.left, g.stride_w, (g.kernel_w - 1) * g.dilation_w, g.in_w);
  for (Index p = outputs.begin; p < outputs.end; ++p) {
    const Index top = p * g.stride_h + g.top;
    const Span1 rows = taps_within(top, g.kernel_h, g.dilation_h, g.in_h);
    Real* to = y + p * g.y_row;
    const auto at = [&](Index r) { return top * g.x_row + (r * g.stride_w + g.left) * g.x_pixel; };
    const auto border = [&](Index r) {
      const Span1 columns = taps_within(r * g.stride_w + g.left, g.kernel_w, g.dilation_w, g.in_w);
      depthwise_tile<V, 1, 0, 0>(g, rows, columns, x, at(r), w, bias, finish, to + r * g.y_pixel);
    };
    for (Index r = 0; r < inner.begin; ++r) border(r);
    Index r = inner.begin;
    for (; r + 8 <= inner.end; r += 8)
      depthwise_tile<V, 8, K, S>(g, rows, all, x, at(r), w, bias, finish, to + r * g.y_pixel);
    if (r + 4 <= inner.end) {
      depthwise_tile<V, 4, K, S>(g, rows, all, x, at(r), w, bias, finish, to + r * g.y_pixel);
      r += 4;
    }
    for (; r < inner.end; ++r)
      depthwise_tile<V, 1, K, S>(g, rows, all, x, at(r), w, bias, finish, to + r * g.y_pixel);
    for (r = inner.end; r < g.out_w; ++r) border(r);
  }
}

static void depthwise(const DepthwiseImage& g, Index begin, Index end, const Real* x, const Real* w,
                      const Real* bias, const Finish& finish, Real* y) {
  for_each_width(g.channels, [&](auto tag, Index c) {
    using V = typename decltype(tag)::type;
    const V offset = bias ? load_as<V>(bias + c) : V{};
    auto fn = depthwise_rows<V, 0, 0>;
    if constexpr (sizeof(V) > sizeof(Real)) {
      if (g.dilation_w == 1 && g.stride_w == 1)
        fn = g.kernel_w == 1   ? depthwise_rows<V, 1, 1>
             : g.kernel_w == 2 ? depthwise_rows<V, 2, 1>
             : g.kernel_w == 3 ? depthwise_rows<V, 3, 1>
             : g.kernel_w == 5 ? depthwise_rows<V, 5, 1>
             : g.kernel_w == 7 ? depthwise_rows<V, 7, 1>
                               : fn;
      if (g.dilation_w == 1 && g.stride_w == 2)
        fn = g.kernel_w == 3 ? depthwise_rows<V, 3, 2> : g.kernel_w == 5 ? depthwise_rows<V, 5, 2> : fn;
    }
    fn(g, {begin, end}, x + c, w + c, offset, finish, y + c);
  });
}

/// Rows of taps whose sums stay in registers together.
template <int K>
constexpr int tap_rows = ESPALIER_VECTOR_BYTES == 64 ? (K <= 5 ? K : 3)
                                                     : (K == 3   ? 3
                                                        : K == 5 ? 2
                                                                 : 1);

/// sums += x dy at the taps of R rows beginning with t0, over output rows all of whose taps lie within the image.
template <class V, int R, int K, int S>
static void depthwise_sums(const DepthwiseImage& g, Span1 outputs, Index t0, const Real* x, const Real* dy,
                           Real* sums) {
  const Span1 inner = outputs_within({0, g.out_w}, g.left, S, K - 1, g.in_w);
  V sum[R][K];
#pragma GCC unroll 8
  for (int t = 0; t < R; ++t)
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) sum[t][k] = load_as<V>(sums + ((t0 + t) * K + k) * g.tap);
  for (Index p = outputs.begin; p < outputs.end; ++p) {
    const Index row = (p * g.stride_h + g.top + t0 * g.dilation_h) * g.x_row + g.left * g.x_pixel;
    const Real* d = dy + p * g.y_row;
    const auto border = [&](Index r) {
      const Span1 columns = taps_within(r * S + g.left, K, 1, g.in_w);
      const V gradient = load_as<V>(d + r * g.y_pixel);
#pragma GCC unroll 8
      for (int t = 0; t < R; ++t)
#pragma GCC unroll 8
        for (int k = 0; k < K; ++k)
          if (k >= columns.begin && k < columns.end)
            sum[t][k] +=
                gradient * load_as<V>(x + (row + t * g.dilation_h * g.x_row + (r * S + k) * g.x_pixel));
    };
    const auto pixels = [&](auto count, Index r) {
      constexpr int P = decltype(count)::value;
      V gradient[P];
#pragma GCC unroll 2
      for (int o = 0; o < P; ++o) gradient[o] = load_as<V>(d + (r + o) * g.y_pixel);
#pragma GCC unroll 8
      for (int t = 0; t < R; ++t) {
        const Real* from = x + (row + t * g.dilation_h * g.x_row + r * S * g.x_pixel);
#pragma GCC unroll 16
        for (int i = 0; i < (P - 1) * S + K; ++i) {
          const V value = load_as<V>(from + i * g.x_pixel);
#pragma GCC unroll 2
          for (int o = 0; o < P; ++o)
            if (i >= o * S && i < o * S + K) sum[t][tap_of(i - o * S, K)] += gradient[o] * value;
        }
      }
    };
    for (Index r = 0; r < inner.begin; ++r) border(r);
    Index r = inner.begin;
    for (; r + 2 <= inner.end; r += 2) pixels(Number<2>(), r);
    for (; r < inner.end; ++r) pixels(Number<1>(), r);
    for (r = inner.end; r < g.out_w; ++r) border(r);
  }
#pragma GCC unroll 8
  for (int t = 0; t < R; ++t)
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) store(sums + ((t0 + t) * K + k) * g.tap, sum[t][k]);
}

/// The same for any kernel, a tap at a time.
template <class V>
static void depthwise_tap_sums(const DepthwiseImage& g, Span1 outputs, const Real* x, const Real* dy,
                               Real* sums) {
  for (Index t = 0; t < g.kernel_h; ++t)
    for (Index k = 0; k < g.kernel_w; ++k) {
      const Index down = g.top + t * g.dilation_h, across = g.left + k * g.dilation_w;
      const Span1 rows = outputs_within(outputs, down, g.stride_h, 0, g.in_h),
                  columns = outputs_within({0, g.out_w}, across, g.stride_w, 0, g.in_w);
      Real* to = sums + (t * g.kernel_w + k) * g.tap;
      V sum = load_as<V>(to);
      for (Index p = rows.begin; p < rows.end; ++p)
        for (Index r = columns.begin; r < columns.end; ++r)
          sum += load_as<V>(dy + p * g.y_row + r * g.y_pixel) *
                 load_as<V>(x + ((p * g.stride_h + down) * g.x_row + (r * g.stride_w + across) * g.x_pixel));
      store(to, sum);
    }
}

template <class V, int K, int S>
static void depthwise_kernel_sums(const DepthwiseImage& g, Span1 outputs, const Real* x, const Real* dy,
                                  Real* sums) {
  constexpr int R = tap_rows<K>;
  Index t = 0;
  const auto single = [&](Index from, Index to, Index tap) {
    const Span1 rows = outputs_within({from, to}, g.top + tap * g.dilation_h, g.stride_h, 0, g.in_h);
    if (rows.begin < rows.end) depthwise_sums<V, 1, K, S>(g, rows, tap, x, dy, sums);
  };
  for (; t + R <= g.kernel_h; t += R) {
    const Span1 inner =
        outputs_within(outputs, g.top + t * g.dilation_h, g.stride_h, (R - 1) * g.dilation_h, g.in_h);
    for (Index j = t; j < t + R; ++j) single(outputs.begin, inner.begin, j);
    if (inner.begin < inner.end) depthwise_sums<V, R, K, S>(g, inner, t, x, dy, sums);
    for (Index j = t; j < t + R; ++j) single(inner.end, outputs.end, j);
  }
  for (; t < g.kernel_h; ++t) single(outputs.begin, outputs.end, t);
}

static void depthwise_weight(const DepthwiseImage& g, Index begin, Index end, const Real* x, const Real* dy,
                             Real* sums) {
  for_each_width(g.channels, [&](auto tag, Index c) {
    using V = typename decltype(tag)::type;
    auto fn = depthwise_tap_sums<V>;
    if constexpr (sizeof(V) > sizeof(Real)) {
      if (g.dilation_w == 1 && g.stride_w == 1)
        fn = g.kernel_w == 3   ? depthwise_kernel_sums<V, 3, 1>
             : g.kernel_w == 5 ? depthwise_kernel_sums<V, 5, 1>
             : g.kernel_w == 7 ? depthwise_kernel_sums<V, 7, 1>
                               : fn;
      if (g.dilation_w == 1 && g.stride_w == 2)
        fn = g.kernel_w == 3   ? depthwise_kernel_sums<V, 3, 2>
             : g.kernel_w == 5 ? depthwise_kernel_sums<V, 5, 2>
                               : fn;
    }
    fn(g, {begin, end}, x + c, dy + c, sums + c);
  });
}

}  // namespace espalier::kernels::ESPALIER_LEVEL
