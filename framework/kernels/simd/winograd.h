// winograd.h: the linear maps of Winograd's fast convolution (Winograd 1980; Lavin & Gray 2016) on squares of
// 6 x 6 values, vectors along channels. A product of polynomials is taken at six points 0, +-a, +-b and
// infinity: m outputs of an r-tap filter need m + r - 1 = 6 products instead of m r. One set of maps serves
// every pair (m, r) with m + r = 7 and all three convolutions; see conv2d_winograd.cpp.
#pragma once

#include "framework/kernels/levels.h"
#include "framework/kernels/simd/conv_forward.h"
#include "framework/kernels/simd/lanes.h"

namespace espalier::kernels::ESPALIER_LEVEL {

// a = sqrt(1/2), b = sqrt(2): of the pairs tried the one with the least error (half that of 1 and 2), and
// a b = 1. The polynomial with all finite points as roots is x (x^2 - 1/2) (x^2 - 2) = x^5 - 5/2 x^3 + x.
constexpr double point_a = 0.70710678118654752440, point_b = 1.41421356237309504880;
constexpr Real a = static_cast<Real>(point_a), b = static_cast<Real>(point_b);
constexpr Real a2 = Real(0.5), b2 = Real(2);

/// Coefficients of the data: row p is the polynomial with every point but p as roots.
struct Interpolate {
  static constexpr int in = 6, out = 6;
  template <class V>
  static inline void apply(const V* d, V* t) {
    const V even_a = d[4] - b2 * d[2], odd_a = a * (d[3] - b2 * d[1]);
    const V even_b = d[4] - a2 * d[2], odd_b = b * (d[3] - a2 * d[1]);
    t[0] = d[0] + d[4] - Real(2.5) * d[2];
    t[1] = even_a + odd_a;
    t[2] = even_a - odd_a;
    t[3] = even_b + odd_b;
    t[4] = even_b - odd_b;
    t[5] = d[1] + d[5] - Real(2.5) * d[3];
  }
};

/// Values of a polynomial with K coefficients at the six points, over the derivative there of the one above.
template <int K>
struct Evaluate {
  static constexpr int in = K, out = 6;
  template <class V>
  static inline void apply(const V* g, V* t) {
    constexpr Real at_a = static_cast<Real>(1 / (2 * 0.5 * (0.5 - 2))),
                   at_b = static_cast<Real>(1 / (2 * 2 * (2 - 0.5)));
    V even_a = g[0], odd_a = g[1], even_b = g[0], odd_b = g[1];
    if constexpr (K > 2) even_a += a2 * g[2], even_b += b2 * g[2];
    if constexpr (K > 3) odd_a += a2 * g[3], odd_b += b2 * g[3];
    if constexpr (K > 4) even_a += a2 * a2 * g[4], even_b += b2 * b2 * g[4];
    even_a *= at_a, odd_a *= a * at_a, even_b *= at_b, odd_b *= b * at_b;
    t[0] = g[0];
    t[1] = even_a + odd_a;
    t[2] = even_a - odd_a;
    t[3] = even_b + odd_b;
    t[4] = even_b - odd_b;
    t[5] = g[K - 1];
  }
};

/// The transpose of Evaluate without its divisors.
template <int K>
struct Combine {
  static constexpr int in = 6, out = K;
  template <class V>
  static inline void apply(const V* t, V* y) {
    const V sum_a = t[1] + t[2], difference_a = a * (t[1] - t[2]);
    const V sum_b = t[3] + t[4], difference_b = b * (t[3] - t[4]);
    y[0] = t[0] + sum_a + sum_b;
    y[1] = difference_a + difference_b;
    if constexpr (K > 2) y[2] = a2 * sum_a + b2 * sum_b;
    if constexpr (K > 3) y[3] = a2 * difference_a + b2 * difference_b;
    if constexpr (K > 4) y[4] = a2 * a2 * sum_a + b2 * b2 * sum_b;
    y[K - 1] += t[5];
  }
};

/// `Map` along both axes of a square: put(row, column, value) for what get(row, column) gives.
template <class Map, class V, class Get, class Put>
static inline void both_axes(Get get, Put put) {
  V half[Map::out][Map::in];
#pragma GCC unroll 8
  for (int j = 0; j < Map::in; ++j) {
    V column[Map::in], mapped[Map::out];
#pragma GCC unroll 8
    for (int i = 0; i < Map::in; ++i) column[i] = get(i, j);
    Map::apply(column, mapped);
#pragma GCC unroll 8
    for (int i = 0; i < Map::out; ++i) half[i][j] = mapped[i];
  }
#pragma GCC unroll 8
  for (int i = 0; i < Map::out; ++i) {
    V mapped[Map::out];
    Map::apply(half[i], mapped);
#pragma GCC unroll 8
    for (int j = 0; j < Map::out; ++j) put(i, j, mapped[j]);
  }
}

/// Calls visit(tile, addresses) for the tiles [first, first + count): addresses[i * size + j] is where value
/// (i, j) of the tile lies, or `outside`.
template <int size, class T, class Visit>
static inline void for_each_tile(const WinogradImages& g, T* images, T* outside, Visit visit) {
  const Index per_image = g.down * g.across;
  for (Index t = g.first; t < g.first + g.count; ++t) {
    const Index image = t / per_image, place = t % per_image;
    const Index top = place / g.across * g.step - g.before, left = place % g.across * g.step - g.before;
    T* at[size * size];
    for (int i = 0; i < size; ++i)
      for (int j = 0; j < size; ++j) {
        const Index h = top + (g.mirrored ? size - 1 - i : i), w = left + (g.mirrored ? size - 1 - j : j);
        const bool inside = h >= 0 && h < g.height && w >= 0 && w < g.width;
        at[i * size + j] = inside ? images + image * g.image + (h * g.width + w) * g.pixel : outside;
      }
    visit(t - g.first, at);
  }
}

template <class Map>
static void to_points(const WinogradImages& g, const Real* images, const Real* zeros, Real* points) {
  for_each_tile<Map::in>(g, images, zeros, [&](Index t, const Real* const* at) {
    for_each_vector(g.channels, [&](auto tag, Index c) {
      using V = typename decltype(tag)::type;
      Real* to = points + t * g.tile + c;
      both_axes<Map, V>([&](int i, int j) { return load_as<V>(at[i * Map::in + j] + c); },
                        [&](int i, int j, V v) { store<V>(to + (i * 6 + j) * g.plane, v); });
    });
  });
}

template <class Map>
static void from_points(const WinogradImages& g, const Real* points, const Real* bias, bool relu,
                        Real* nowhere, Real* images) {
  for_each_tile<Map::out>(g, images, nowhere, [&](Index t, Real* const* at) {
    for_each_vector(g.channels, [&](auto tag, Index c) {
      using V = typename decltype(tag)::type;
      const Real* from = points + t * g.tile + c;
      const V offset = bias ? load_as<V>(bias + c) : V{};
      both_axes<Map, V>([&](int i, int j) { return load_as<V>(from + (i * 6 + j) * g.plane); },
                        [&](int i, int j, V v) {
                          v += offset;
                          store<V>(at[i * Map::out + j] + c, relu ? rectified(v) : v);
                        });
    });
  });
}

static void winograd_points(const WinogradImages& g, const Real* images, const Real* zeros, Real* points) {
  constexpr decltype(&to_points<Interpolate>) by_size[] = {to_points<Evaluate<2>>, to_points<Evaluate<3>>,
                                                           to_points<Evaluate<4>>, to_points<Evaluate<5>>,
                                                           to_points<Interpolate>};
  by_size[g.size - 2](g, images, zeros, points);
}
static void winograd_images(const WinogradImages& g, const Real* points, const Real* bias, bool relu,
                            Real* nowhere, Real* images) {
  constexpr decltype(&from_points<Combine<2>>) by_size[] = {from_points<Combine<2>>, from_points<Combine<3>>,
                                                            from_points<Combine<4>>, from_points<Combine<5>>};
  by_size[g.size - 2](g, points, bias, relu, nowhere, images);
}

/// The weight at the 36 points, each packed for conv_image: from [taps][kernel][kernel][channels].
static void winograd_pack(Index taps, Index channels, Index kernel, bool mirrored, const Real* w,
                          Real* packed) {
  const Index padded = padded_channels(channels), plane = packed_size(taps, channels);
  for (Index f = 0; f < 36; ++f)
    for (Index k = 0; k < plane; ++k) packed[f * plane + k] = 0;  // biases, and channels that are none
  for (Index c0 = 0; c0 < channels; c0 += max_vectors * lanes) {
    const Index width = block_width(channels - c0);
    winograd_points({.height = kernel,
                     .width = kernel,
                     .channels = smaller(width, channels - c0),
                     .image = kernel * kernel * channels,
                     .pixel = channels,
                     .down = 1,
                     .across = 1,
                     .first = 0,
                     .count = taps,
                     .size = kernel,
                     .step = 0,
                     .before = 0,
                     .mirrored = mirrored,
                     .plane = plane,
                     .tile = width},
                    w + c0, nullptr, packed + padded + c0 * taps);
  }
}

}  // namespace espalier::kernels::ESPALIER_LEVEL
