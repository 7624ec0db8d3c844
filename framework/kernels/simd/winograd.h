// winograd.h: the linear maps of Winograd's fast convolution (Winograd 1980; Lavin & Gray 2016), vectors
// along channels. A product of polynomials is taken at the points 0, +-p1, +-p2, .. and infinity: m outputs
// of an r-tap filter need m + r - 1 products instead of m r. The same three maps serve all three
// convolutions; see conv2d_winograd.cpp.
#pragma once

#include "framework/kernels/instruction_set.h"
#include "framework/kernels/simd/conv_forward.h"
#include "framework/kernels/simd/lanes.h"

namespace espalier::kernels::ESPALIER_LEVEL {

/// Coefficients at `count` points, from M(x) = x (x^2 - s1) (x^2 - s2) .., s = p^2, computed by the compiler.
template <int count>
struct Points {
  static constexpr int pairs = count / 2 - 1;
  double point[pairs] = {}, square[pairs] = {};
  double all[pairs + 1] = {};          ///< M(x) / x in powers of x^2
  double others[pairs][pairs] = {};    ///< the same without the factor of pair k
  double at_zero = 1, at[pairs] = {};  ///< 1 / M'(0), 1 / M'(+-p_k)

  constexpr Points() {
    // Of the sets tried those with the least error in float32 (framework/kernels/measurements.md).
    constexpr double six[] = {0.70710678118654752440, 1.41421356237309504880}, eight[] = {0.5, 1, 2};
    for (int k = 0; k < pairs; ++k) {
      point[k] = count == 6 ? six[k % 2] : eight[k % 3];
      square[k] = point[k] * point[k];
    }
    multiply_out(all, -1);
    at_zero = 1 / all[0];
    for (int k = 0; k < pairs; ++k) {
      multiply_out(others[k], k);
      at[k] = 1 / (2 * square[k]);
      for (int l = 0; l < pairs; ++l)
        if (l != k) at[k] /= square[k] - square[l];
    }
  }
  constexpr void multiply_out(double* polynomial, int without) const {
    int degree = 0;
    polynomial[0] = 1;
    for (int k = 0; k < pairs; ++k) {
      if (k == without) continue;
      polynomial[degree + 1] = polynomial[degree];
      for (int j = degree; j > 0; --j) polynomial[j] = polynomial[j - 1] - square[k] * polynomial[j];
      polynomial[0] *= -square[k];
      ++degree;
    }
  }
  constexpr double power(int k, int exponent) const {  // of square[k]
    double value = 1;
    for (int j = 0; j < exponent; ++j) value *= square[k];
    return value;
  }
};
template <int count>
constexpr Points<count> at_points{};

/// Coefficients of the data: row p is the polynomial M without the root p.
template <int P>
struct Interpolate {
  static constexpr int in = P, out = P, edge = P;
  template <class V>
  static inline void apply(const V* d, V* t) {
    constexpr const Points<P>& c = at_points<P>;
    t[0] = d[P - 2];
    t[P - 1] = d[P - 1];
#pragma GCC unroll 8
    for (int j = 0; j < c.pairs; ++j) {
      t[0] += static_cast<Real>(c.all[j]) * d[2 * j];
      t[P - 1] += static_cast<Real>(c.all[j]) * d[2 * j + 1];
    }
#pragma GCC unroll 8
    for (int k = 0; k < c.pairs; ++k) {
      V even = d[P - 2], odd = d[P - 3];
#pragma GCC unroll 8
      for (int j = 0; j < c.pairs - 1; ++j) {
        even += static_cast<Real>(c.others[k][j]) * d[2 * j + 2];
        odd += static_cast<Real>(c.others[k][j]) * d[2 * j + 1];
      }
      t[2 * k + 1] = even + static_cast<Real>(c.point[k]) * odd;
      t[2 * k + 2] = even - static_cast<Real>(c.point[k]) * odd;
    }
  }
};

/// Values of a polynomial with K coefficients at the points, over the derivative of M there.
template <int P, int K>
struct Evaluate {
  static constexpr int in = K, out = P, edge = P;
  template <class V>
  static inline void apply(const V* g, V* t) {
    constexpr const Points<P>& c = at_points<P>;
    t[0] = static_cast<Real>(c.at_zero) * g[0];
    t[P - 1] = g[K - 1];
#pragma GCC unroll 8
    for (int k = 0; k < c.pairs; ++k) {
      V even = static_cast<Real>(c.at[k]) * g[0], odd = static_cast<Real>(c.at[k] * c.point[k]) * g[1];
#pragma GCC unroll 8
      for (int j = 2; j < K; ++j)
        (j % 2 ? odd : even) +=
            static_cast<Real>(c.at[k] * (j % 2 ? c.point[k] : 1) * c.power(k, j / 2)) * g[j];
      t[2 * k + 1] = even + odd;
      t[2 * k + 2] = even - odd;
    }
  }
};

/// The transpose of Evaluate without its divisors.
template <int P, int K>
struct Combine {
  static constexpr int in = P, out = K, edge = P;
  template <class V>
  static inline void apply(const V* t, V* y) {
    constexpr const Points<P>& c = at_points<P>;
    y[0] = t[0];
#pragma GCC unroll 8
    for (int j = 1; j < K; ++j) y[j] = j == K - 1 ? t[P - 1] : V{};
#pragma GCC unroll 8
    for (int k = 0; k < c.pairs; ++k) {
      const V sum = t[2 * k + 1] + t[2 * k + 2];
      const V difference = static_cast<Real>(c.point[k]) * (t[2 * k + 1] - t[2 * k + 2]);
#pragma GCC unroll 8
      for (int j = 0; j < K; ++j) y[j] += static_cast<Real>(c.power(k, j / 2)) * (j % 2 ? difference : sum);
    }
  }
};

/// `Map` along both axes of a square: put(row, column, value) for what get(row, column) gives.
template <class Map, class V, class Get, class Put>
__attribute__((always_inline)) static inline void both_axes(Get get, Put put) {
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
  const Index per_image = g.down * g.across, row = g.width * g.pixel;
  Index p = g.first % per_image / g.across, r = g.first % g.across;
  T* image = images + g.first / per_image * g.image;
  for (Index t = 0; t < g.count; ++t) {
    const Index top = p * g.step - g.before, left = r * g.step - g.before;
    T* at[size * size];
    for (int i = 0; i < size; ++i) {
      const Index h = top + (g.mirrored ? size - 1 - i : i);
      const bool row_inside = h >= 0 && h < g.height;
      for (int j = 0; j < size; ++j) {
        const Index w = left + (g.mirrored ? size - 1 - j : j);
        at[i * size + j] = row_inside && w >= 0 && w < g.width ? image + h * row + w * g.pixel : outside;
      }
    }
    visit(t, at);
    if (++r < g.across) continue;
    r = 0;
    if (++p < g.down) continue;
    p = 0;
    image += g.image;
  }
}

template <class Map>
static void to_points(const WinogradImages& g, const Real* images, const Real* zeros, Real* points) {
  for_each_tile<Map::in>(g, images, zeros, [&](Index t, const Real* const* at) {
    for_each_vector(g.channels, [&](auto tag, Index c) {
      using V = typename decltype(tag)::type;
      Real* to = points + t * g.tile + c;
      both_axes<Map, V>([&](int i, int j) { return load_as<V>(at[i * Map::in + j] + c); },
                        [&](int i, int j, V v) { store<V>(to + (i * Map::edge + j) * g.plane, v); });
    });
  });
}

template <class Map>
static void from_points(const WinogradImages& g, const Real* points, const Real* bias, const Finish& finish,
                        Real* nowhere, Real* images) {
  for_each_tile<Map::out>(g, images, nowhere, [&](Index t, Real* const* at) {
    for_each_vector(g.channels, [&](auto tag, Index c) {
      using V = typename decltype(tag)::type;
      const Real* from = points + t * g.tile + c;
      const V offset = bias ? load_as<V>(bias + c) : V{};
      both_axes<Map, V>(
          [&](int i, int j) { return load_as<V>(from + (i * Map::edge + j) * g.plane); },
          [&](int i, int j, V v) { store<V>(at[i * Map::out + j] + c, finished<V>(finish, v + offset)); });
    });
  });
}

static void winograd_points(const WinogradImages& g, const Real* images, const Real* zeros, Real* points) {
  const auto fn = g.edge == 6 ? (g.size == 6   ? to_points<Interpolate<6>>
                                 : g.size == 4 ? to_points<Evaluate<6, 4>>
                                               : to_points<Evaluate<6, 3>>)
                              : (g.size == 8   ? to_points<Interpolate<8>>
                                 : g.size == 4 ? to_points<Evaluate<8, 4>>
                                               : to_points<Evaluate<8, 5>>);
  fn(g, images, zeros, points);
}
static void winograd_images(const WinogradImages& g, const Real* points, const Real* bias,
                            const Finish& finish, Real* nowhere, Real* images) {
  const auto fn = g.edge == 6 ? (g.size == 4 ? from_points<Combine<6, 4>> : from_points<Combine<6, 3>>)
                              : (g.size == 4 ? from_points<Combine<8, 4>> : from_points<Combine<8, 5>>);
  fn(g, points, bias, finish, nowhere, images);
}

/// The weight at all points, each packed for conv_image: from [taps][kernel][kernel][channels].
static void winograd_pack(Index taps, Index channels, Index kernel, bool mirrored, const Real* w,
                          Real* packed) {
  const Index padded = padded_channels(channels), plane = packed_size(taps, channels);
  const Index edge = kernel + 3;
  const Index unwritten = padded > channels ? plane : padded;  // biases, and channels that are none
  for (Index f = 0; f < edge * edge; ++f)
    for (Index k = 0; k < unwritten; ++k) packed[f * plane + k] = 0;
  for (Index c0 = 0, width = 0; c0 < channels; c0 += width) {
    width = block_width(channels - c0);
    winograd_points({.height = kernel,
                     .width = kernel,
                     .channels = smaller(width, channels - c0),
                     .image = kernel * kernel * channels,
                     .pixel = channels,
                     .down = 1,
                     .across = 1,
                     .first = 0,
                     .count = taps,
                     .edge = edge,
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
