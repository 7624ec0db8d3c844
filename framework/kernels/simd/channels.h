// channels.h: sums over the rows of [rows, channels] in float64, and affine maps per channel.
#pragma once

#include "framework/kernels/instruction_set.h"
#include "framework/kernels/simd/finish.h"
#include "framework/kernels/simd/lanes.h"

namespace espalier::kernels::ESPALIER_LEVEL {

constexpr int wide_lanes = ESPALIER_VECTOR_BYTES / 8;
using WideVector = double __attribute__((vector_size(ESPALIER_VECTOR_BYTES)));
using NarrowVector = Real __attribute__((vector_size(wide_lanes * sizeof(Real))));

/// What W is made of: wide_lanes values of Real, or one.
template <class W>
struct Narrow {
  using type = NarrowVector;
};
template <>
struct Narrow<double> {
  using type = Real;
};
template <class W, class N>
static inline W widen(N v) {
  if constexpr (sizeof(W) == sizeof(double))
    return static_cast<double>(v);
  else
    return __builtin_convertvector(v, W);
}
template <class W>
static inline void store_wide(double* to, W v) {
  __builtin_memcpy(to, &v, sizeof(W));
}

enum class Sums { plain, products, moments };

/// What comes after a map per channel, for the gradients before it.
struct AfterMap {
  const Real *scale, *shift;
  const Finish& finish;
};

/// N vectors W of channels beginning at c; the sums stay in registers over all rows. Unless `kind` is none, x counts
/// as what `finish` passes back to z scale + shift.
template <Sums what, Finish::Kind kind, class W, int N>
static inline void sum_columns(Index rows, Index channels, Index c, const Real* x, const Real* z,
                               const AfterMap& after, double* first, double* second) {
  constexpr int width = static_cast<int>(sizeof(W) / sizeof(double));
  using V = typename Narrow<W>::type;
  W a[N], b[N], origin[N];
#pragma GCC unroll 8
  for (int j = 0; j < N; ++j) {
    a[j] = b[j] = W{};
    origin[j] = what == Sums::moments ? widen<W>(load_as<V>(z + c + j * width)) : W{};
  }
  for (Index r = 0; r < rows; ++r)
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) {
      const Index at = r * channels + c + j * width;
      V value = load_as<V>(x + at);
      if constexpr (kind != Finish::Kind::none)
        value = passed_back<kind>(load_as<V>(z + at) * load_as<V>(after.scale + c + j * width) +
                                      load_as<V>(after.shift + c + j * width),
                                  value, after.finish);
      const W v = widen<W>(value) - origin[j];
      a[j] += v;
      if constexpr (what == Sums::moments) b[j] += v * v;
      if constexpr (what == Sums::products) b[j] += v * widen<W>(load_as<V>(z + at));
    }
#pragma GCC unroll 8
  for (int j = 0; j < N; ++j) {
    store_wide(first + c + j * width, a[j]);
    if constexpr (what != Sums::plain) store_wide(second + c + j * width, b[j]);
  }
}

template <Sums what, Finish::Kind kind = Finish::Kind::none>
static void sum_rows(Index rows, Index channels, const Real* x, const Real* z, const AfterMap& after,
                     double* first, double* second) {
  Index c = 0;
  for (; c + 4 * wide_lanes <= channels; c += 4 * wide_lanes)
    sum_columns<what, kind, WideVector, 4>(rows, channels, c, x, z, after, first, second);
  for (; c + wide_lanes <= channels; c += wide_lanes)
    sum_columns<what, kind, WideVector, 1>(rows, channels, c, x, z, after, first, second);
  for (; c < channels; ++c) sum_columns<what, kind, double, 1>(rows, channels, c, x, z, after, first, second);
}

static void moments(Index rows, Index channels, const Real* x, const Real* origin, double* sum,
                    double* square) {
  sum_rows<Sums::moments>(rows, channels, x, origin, {nullptr, nullptr, Finish()}, sum, square);
}
static void sums(Index rows, Index channels, const Real* x, const Real* z, const Real* scale,
                 const Real* shift, const Finish& finish, double* sum, double* product) {
  using Kind = Finish::Kind;
  const Kind kind = scale ? finish.kind : Kind::none;
  const auto fn = kind == Kind::relu         ? sum_rows<Sums::products, Kind::relu>
                  : kind == Kind::clip       ? sum_rows<Sums::products, Kind::clip>
                  : kind == Kind::hard_swish ? sum_rows<Sums::products, Kind::hard_swish>
                  : z                        ? sum_rows<Sums::products>
                                             : sum_rows<Sums::plain>;
  fn(rows, channels, x, z, {scale, shift, finish}, sum, product);
}

template <bool has_add, class Fn>
static inline void affine_loop(Index rows, Index channels, const Real* x, const Real* scale,
                               const Real* shift, const Real* add, Fn fn, Real* y) {
  for (Index r = 0; r < rows; ++r) {
    const Index row = r * channels;
    for_each_vector(channels, [=](auto tag, Index c) {
      using V = typename decltype(tag)::type;
      V v = load_as<V>(x + row + c) * load_as<V>(scale + c) + load_as<V>(shift + c);
      if constexpr (has_add) v += load_as<V>(add + row + c);
      store<V>(y + row + c, fn(v));
    });
  }
}
static void affine(Index rows, Index channels, const Real* x, const Real* scale, const Real* shift,
                   const Real* add, const Finish& finish, Real* y) {
  with_function(finish, [&](auto fn) {
    if (add)
      affine_loop<true>(rows, channels, x, scale, shift, add, fn, y);
    else
      affine_loop<false>(rows, channels, x, scale, shift, add, fn, y);
  });
}

template <Finish::Kind kind>
static void affine_pair_loop(Index rows, Index channels, const Real* dy, const Real* x, const Real* a,
                             const Real* b, const Real* mean, const Real* d, const AfterMap& after,
                             Real* dx) {
  for (Index r = 0; r < rows; ++r) {
    const Index row = r * channels;
    for_each_vector(channels, [=](auto tag, Index c) {
      using V = typename decltype(tag)::type;
      const V value = load_as<V>(x + row + c);
      V gradient = load_as<V>(dy + row + c);
      if constexpr (kind != Finish::Kind::none)
        gradient = passed_back<kind>(value * load_as<V>(after.scale + c) + load_as<V>(after.shift + c),
                                     gradient, after.finish);
      store<V>(dx + row + c, load_as<V>(a + c) * gradient +
                                 load_as<V>(b + c) * (value - load_as<V>(mean + c)) + load_as<V>(d + c));
    });
  }
}
static void affine_pair(Index rows, Index channels, const Real* dy, const Real* x, const Real* a,
                        const Real* b, const Real* mean, const Real* d, const Real* scale, const Real* shift,
                        const Finish& finish, Real* dx) {
  using Kind = Finish::Kind;
  const Kind kind = scale ? finish.kind : Kind::none;
  const auto fn = kind == Kind::relu         ? affine_pair_loop<Kind::relu>
                  : kind == Kind::clip       ? affine_pair_loop<Kind::clip>
                  : kind == Kind::hard_swish ? affine_pair_loop<Kind::hard_swish>
                                             : affine_pair_loop<Kind::none>;
  fn(rows, channels, dy, x, a, b, mean, d, {scale, shift, finish}, dx);
}

static void scale_within(Index rows, Index channels, Real low, Real high, const Real* dy, const Real* y,
                         const Real* scale, Real* dx) {
  for (Index r = 0; r < rows; ++r) {
    const Index row = r * channels;
    for_each_vector(channels, [=](auto tag, Index c) {
      using V = typename decltype(tag)::type;
      store<V>(dx + row + c, kept_within<V>(load_as<V>(y + row + c),
                                            load_as<V>(scale + c) * load_as<V>(dy + row + c), low, high));
    });
  }
}

}  // namespace espalier::kernels::ESPALIER_LEVEL
