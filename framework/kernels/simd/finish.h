// finish.h: a Finish applied to vectors. A NaN stays, so that a diverged network shows in its loss.
#pragma once

#include "framework/kernels/finish.h"
#include "framework/kernels/simd/lanes.h"

namespace espalier::kernels::ESPALIER_LEVEL {

/// v within [low, high].
template <class V>
static inline V clipped(V v, Real low, Real high) {
  const V l = V{} + low, h = V{} + high;
  v = v < l ? l : v;
  return v > h ? h : v;
}
template <class V>
static inline V hard_swish_of(V v, Real slope, Real shift) {
  return v * clipped<V>(slope * v + shift, 0, 1);
}

/// Calls apply(fn) with the function of a vector (of any width) that `f` is: the choice is made once for many.
template <class Apply>
__attribute__((always_inline)) static inline void with_function(const Finish& f, Apply apply) {
  const Real a = f.a, b = f.b;
  switch (f.kind) {
    case Finish::Kind::none:
      return apply([](auto v) { return v; });
    case Finish::Kind::relu:
      return apply([](auto v) { return rectified(v); });
    case Finish::Kind::clip:
      return apply([a, b](auto v) { return clipped(v, a, b); });
    case Finish::Kind::hard_swish:
      return apply([a, b](auto v) { return hard_swish_of(v, a, b); });
  }
}
/// The same of sums in registers, which have to be touched only if there is something to do.
template <class Apply>
__attribute__((always_inline)) static inline void with_finish(const Finish& f, Apply apply) {
  if (f.kind != Finish::Kind::none) with_function(f, apply);
}
template <class V>
__attribute__((always_inline)) static inline V finished(const Finish& f, V v) {
  with_finish(
      f, [&v](auto fn) __attribute__((always_inline)) { v = fn(v); });
  return v;
}

/// low < v < high ? x : 0. The bounds are infinite where there are none.
template <class V>
static inline V kept_within(V v, V x, Real low, Real high) {
  const V zero{}, above = v > zero + low ? x : zero;
  return v < zero + high ? above : zero;
}
/// The gradient at v when dy is the one at the finished v.
template <Finish::Kind kind, class V>
static inline V passed_back(V v, V dy, [[maybe_unused]] const Finish& f) {
  if constexpr (kind == Finish::Kind::relu) {
    const V zero{};
    return v > zero ? dy : zero;
  } else if constexpr (kind == Finish::Kind::clip) {
    return kept_within(v, dy, f.a, f.b);
  } else if constexpr (kind == Finish::Kind::hard_swish) {
    const V zero{}, one = zero + Real(1), factor = f.a * v + f.b;
    const V right = factor < one ? factor + f.a * v : one;
    return dy * (factor > zero ? right : zero);
  } else {
    return dy;
  }
}

}  // namespace espalier::kernels::ESPALIER_LEVEL
