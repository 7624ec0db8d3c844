// lanes.h: the vector type of one CPU level, from the compiler's vector extension. Included by the
// level_*.cpp files only, once per level; everything here is in the level's namespace or static, so that the
// linker never picks code compiled for a newer CPU. For the same reason these files include no standard
// headers with code.
#pragma once

#include "framework/core/real.h"

#if !defined(ESPALIER_LEVEL) || !defined(ESPALIER_VECTOR_BYTES)
#error "include this from a level_*.cpp file"
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

/// Rows to columns of a square of small vectors, two or four.
template <class V>
static inline void transpose_square(V* v) {
  if constexpr (small_lanes == 2) {
    const V a = v[0], b = v[1];
    v[0] = __builtin_shufflevector(a, b, 0, 2);
    v[1] = __builtin_shufflevector(a, b, 1, 3);
  } else {
    const V low = __builtin_shufflevector(v[0], v[1], 0, 4, 1, 5),
            high = __builtin_shufflevector(v[0], v[1], 2, 6, 3, 7);
    const V low2 = __builtin_shufflevector(v[2], v[3], 0, 4, 1, 5),
            high2 = __builtin_shufflevector(v[2], v[3], 2, 6, 3, 7);
    v[0] = __builtin_shufflevector(low, low2, 0, 1, 4, 5);
    v[1] = __builtin_shufflevector(low, low2, 2, 3, 6, 7);
    v[2] = __builtin_shufflevector(high, high2, 0, 1, 4, 5);
    v[3] = __builtin_shufflevector(high, high2, 2, 3, 6, 7);
  }
}

static inline Index smaller(Index a, Index b) { return a < b ? a : b; }

}  // namespace espalier::kernels::ESPALIER_LEVEL
