// channels.h: sums over the rows of [rows, channels] in float64, and affine maps per channel.
#pragma once

#include "framework/kernels/levels.h"
#include "framework/kernels/simd/lanes.h"

namespace espalier::kernels::ESPALIER_LEVEL {

constexpr int wide_lanes = ESPALIER_VECTOR_BYTES / 8;
using WideVector = double __attribute__((vector_size(ESPALIER_VECTOR_BYTES)));
using NarrowVector = Real __attribute__((vector_size(wide_lanes * sizeof(Real))));

/// wide_lanes values of Real, or one, in float64.
template <class W>
static inline W widen(const Real* from) {
  return __builtin_convertvector(load_as<NarrowVector>(from), W);
}
template <>
inline double widen<double>(const Real* from) {
  return static_cast<double>(*from);
}
template <class W>
static inline void store_wide(double* to, W v) {
  __builtin_memcpy(to, &v, sizeof(W));
}

enum class Sums { plain, products, moments };

/// N vectors W of channels beginning at c; the sums stay in registers over all rows.
template <Sums what, class W, int N>
static inline void sum_columns(Index rows, Index channels, Index c, const Real* x, const Real* z,
                               double* first, double* second) {
  constexpr int width = static_cast<int>(sizeof(W) / sizeof(double));
  W a[N], b[N], origin[N];
#pragma GCC unroll 8
  for (int j = 0; j < N; ++j) {
    a[j] = b[j] = W{};
    origin[j] = what == Sums::moments ? widen<W>(z + c + j * width) : W{};
  }
  for (Index r = 0; r < rows; ++r)
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) {
      const Index at = r * channels + c + j * width;
      const W v = widen<W>(x + at) - origin[j];
      a[j] += v;
      if constexpr (what == Sums::moments) b[j] += v * v;
      if constexpr (what == Sums::products) b[j] += v * widen<W>(z + at);
    }
#pragma GCC unroll 8
  for (int j = 0; j < N; ++j) {
    store_wide(first + c + j * width, a[j]);
    if constexpr (what != Sums::plain) store_wide(second + c + j * width, b[j]);
  }
}

template <Sums what>
static void sum_rows(Index rows, Index channels, const Real* x, const Real* z, double* first,
                     double* second) {
  Index c = 0;
  for (; c + 4 * wide_lanes <= channels; c += 4 * wide_lanes)
    sum_columns<what, WideVector, 4>(rows, channels, c, x, z, first, second);
  for (; c + wide_lanes <= channels; c += wide_lanes)
    sum_columns<what, WideVector, 1>(rows, channels, c, x, z, first, second);
  for (; c < channels; ++c) sum_columns<what, double, 1>(rows, channels, c, x, z, first, second);
}

static void moments(Index rows, Index channels, const Real* x, const Real* origin, double* sum,
                    double* square) {
  sum_rows<Sums::moments>(rows, channels, x, origin, sum, square);
}
static void sums(Index rows, Index channels, const Real* x, const Real* z, double* sum, double* product) {
  if (z)
    sum_rows<Sums::products>(rows, channels, x, z, sum, product);
  else
    sum_rows<Sums::plain>(rows, channels, x, nullptr, sum, nullptr);
}

template <bool has_add, bool relu>
static void affine_loop(Index rows, Index channels, const Real* x, const Real* scale, const Real* shift,
                        const Real* add, Real* y) {
  for (Index r = 0; r < rows; ++r) {
    const Index row = r * channels;
    for_each_vector(channels, [=](auto tag, Index c) {
      using V = typename decltype(tag)::type;
      V v = load_as<V>(x + row + c) * load_as<V>(scale + c) + load_as<V>(shift + c);
      if constexpr (has_add) v += load_as<V>(add + row + c);
      store<V>(y + row + c, relu ? rectified(v) : v);
    });
  }
}
static void affine(Index rows, Index channels, const Real* x, const Real* scale, const Real* shift,
                   const Real* add, bool relu, Real* y) {
  if (add)
    (relu ? affine_loop<true, true> : affine_loop<true, false>)(rows, channels, x, scale, shift, add, y);
  else
    (relu ? affine_loop<false, true> : affine_loop<false, false>)(rows, channels, x, scale, shift, add, y);
}

static void affine_pair(Index rows, Index channels, const Real* dy, const Real* x, const Real* a,
                        const Real* b, const Real* mean, const Real* d, Real* dx) {
  for (Index r = 0; r < rows; ++r) {
    const Index row = r * channels;
    for_each_vector(channels, [=](auto tag, Index c) {
      using V = typename decltype(tag)::type;
      const V centred = load_as<V>(x + row + c) - load_as<V>(mean + c);
      store<V>(dx + row + c, load_as<V>(a + c) * load_as<V>(dy + row + c) + load_as<V>(b + c) * centred +
                                 load_as<V>(d + c));
    });
  }
}

}  // namespace espalier::kernels::ESPALIER_LEVEL
