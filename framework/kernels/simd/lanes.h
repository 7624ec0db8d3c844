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
/// The same at any address: a pointer to it may alias arrays of Real.
using UnalignedVector =
    Real __attribute__((vector_size(ESPALIER_VECTOR_BYTES), aligned(sizeof(Real)), may_alias));

static inline Vector load(const Real* from) { return *reinterpret_cast<const UnalignedVector*>(from); }
static inline void store(Real* to, Vector v) { *reinterpret_cast<UnalignedVector*>(to) = v; }
/// max(v, 0); a NaN stays.
static inline Vector rectified(Vector v) {
  const Vector zero{};
  return v < zero ? zero : v;
}
static inline Index smaller(Index a, Index b) { return a < b ? a : b; }

}  // namespace espalier::kernels::ESPALIER_LEVEL
