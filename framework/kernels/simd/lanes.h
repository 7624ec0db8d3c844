// lanes.h: the vector type of one instruction set, from the compiler's vector extension. Included by the
// instruction_set_*.cpp files only, once per instruction set; everything here is in the instruction set's
// namespace or static, so that the linker never picks code compiled for a newer CPU. For the same reason
// these files include no standard headers with code.
#pragma once

#include "framework/core/real.h"

#if !defined(ESPALIER_LEVEL) || !defined(ESPALIER_VECTOR_BYTES)
#error "include this from a instruction_set_*.cpp file"
#endif

namespace espalier::kernels::ESPALIER_LEVEL {

constexpr int lanes = ESPALIER_VECTOR_BYTES / static_cast<int>(sizeof(Real));
using Vector = Real __attribute__((vector_size(ESPALIER_VECTOR_BYTES)));
/// Smaller vectors, for the channels that do not fill a large one.
using SmallVector = Real __attribute__((vector_size(16)));
using HalfVector = Real __attribute__((vector_size(ESPALIER_VECTOR_BYTES == 64 ? 32 : 16)));
constexpr int half_lanes = static_cast<int>(sizeof(HalfVector) / sizeof(Real));
constexpr int small_lanes = static_cast<int>(sizeof(SmallVector) / sizeof(Real));
/// Reads and writes a V (a vector or a single Real) at any address. By memcpy, which compiles to one
/// unaligned move: clang drops the alignment of a vector type that passes through a template.
template <class V>
static inline V load_as(const Real* from) {
  V v;
  __builtin_memcpy(&v, from, sizeof(V));
  return v;
}
static inline Vector load(const Real* from) { return load_as<Vector>(from); }
template <class V>
static inline void store(Real* to, V v) {
  __builtin_memcpy(to, &v, sizeof(V));
}

/// The bits of a V as unsigned integers of the same width.
#ifdef ESPALIER_REAL_DOUBLE
using Unsigned = std::uint64_t;
#else
using Unsigned = std::uint32_t;
#endif
template <class V>
struct BitsOf {
  typedef Unsigned type __attribute__((vector_size(sizeof(V))));
};
template <>
struct BitsOf<Real> {
  using type = Unsigned;
};
template <class To, class From>
static inline To same_bits(From from) {
  To to;
  __builtin_memcpy(&to, &from, sizeof(To));
  return to;
}

/// Writes a Vector to an address that is a multiple of its size, past the caches: for results too large for
/// them, whose lines would be read first otherwise. finish_streams() after the last one.
static inline void stream(Real* to, Vector v) {
#if defined(__clang__)
  __builtin_nontemporal_store(v, reinterpret_cast<Vector*>(to));
#elif ESPALIER_VECTOR_BYTES == 64 && defined(ESPALIER_REAL_DOUBLE)
  __builtin_ia32_movntpd512(to, v);
#elif ESPALIER_VECTOR_BYTES == 64
  __builtin_ia32_movntps512(to, v);
#elif ESPALIER_VECTOR_BYTES == 32 && defined(ESPALIER_REAL_DOUBLE)
  __builtin_ia32_movntpd256(to, v);
#elif ESPALIER_VECTOR_BYTES == 32
  __builtin_ia32_movntps256(to, v);
#else
  store(to, v);
#endif
}
static inline void finish_streams() {
#if defined(__AVX2__)
  __builtin_ia32_sfence();  // streams are not ordered with the stores that tell another thread
#endif
}

/// max(v, 0); a NaN stays.
template <class V>
static inline V rectified(V v) {
  const V zero{};
  return v < zero ? zero : v;
}

template <class V>
struct Type {
  using type = V;
};
/// Calls fn(Type<V>(), k) so that the calls cover [0, count): vectors first, single values last.
template <class Fn>
static inline void for_each_vector(Index count, Fn fn) {
  Index k = 0;
  for (; k + lanes <= count; k += lanes) fn(Type<Vector>(), k);
  if constexpr (small_lanes < lanes)
    for (; k + small_lanes <= count; k += small_lanes) fn(Type<SmallVector>(), k);
  for (; k < count; ++k) fn(Type<Real>(), k);
}

/// A V of one row of small_lanes values, or of two rows `step` apart. (Templates, as `if constexpr` in the
/// three below chooses what compiles.)
template <class V, class Row = SmallVector>
static inline V load_rows(const Real* from, Index step) {
  constexpr int count = static_cast<int>(sizeof(V) / sizeof(Real));
  const Row a = load_as<Row>(from);
  if constexpr (count == small_lanes) return a;
  if constexpr (count == 4 && small_lanes == 2)
    return __builtin_shufflevector(a, load_as<Row>(from + step), 0, 1, 2, 3);
  if constexpr (count == 8)
    return __builtin_shufflevector(a, load_as<Row>(from + step), 0, 1, 2, 3, 4, 5, 6, 7);
}
/// Of every small_lanes values of two vectors the first (or second) halves, value by value in turn.
template <class V>
static inline V zip_low(V a, V b) {
  constexpr int count = static_cast<int>(sizeof(V) / sizeof(Real));
  if constexpr (count == 2) return __builtin_shufflevector(a, b, 0, 2);
  if constexpr (count == 4 && small_lanes == 2) return __builtin_shufflevector(a, b, 0, 4, 2, 6);
  if constexpr (count == 4 && small_lanes == 4) return __builtin_shufflevector(a, b, 0, 4, 1, 5);
  if constexpr (count == 8) return __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13);
}
template <class V>
static inline V zip_high(V a, V b) {
  constexpr int count = static_cast<int>(sizeof(V) / sizeof(Real));
  if constexpr (count == 2) return __builtin_shufflevector(a, b, 1, 3);
  if constexpr (count == 4 && small_lanes == 2) return __builtin_shufflevector(a, b, 1, 5, 3, 7);
  if constexpr (count == 4 && small_lanes == 4) return __builtin_shufflevector(a, b, 2, 6, 3, 7);
  if constexpr (count == 8) return __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
}
/// Rows to columns of a square of small_lanes, or of two such squares side by side, in place.
template <class V>
static inline void transpose_squares(V* v) {
  if constexpr (small_lanes == 2) {
    const V a = v[0], b = v[1];
    v[0] = zip_low(a, b);
    v[1] = zip_high(a, b);
  } else {
    const V a = zip_low(v[0], v[2]), b = zip_high(v[0], v[2]), c = zip_low(v[1], v[3]),
            d = zip_high(v[1], v[3]);
    v[0] = zip_low(a, c);
    v[1] = zip_high(a, c);
    v[2] = zip_low(b, d);
    v[3] = zip_high(b, d);
  }
}

/// 0, 1, .. N - 1 as template arguments.
template <int... I>
struct Count {};
template <int N, int... I>
struct CountTo : CountTo<N - 1, N - 1, I...> {};
template <int... I>
struct CountTo<0, I...> {
  using type = Count<I...>;
};

static inline Index smaller(Index a, Index b) { return a < b ? a : b; }

}  // namespace espalier::kernels::ESPALIER_LEVEL
