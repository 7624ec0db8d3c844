// finish.h: what is done to a sum before it is stored. Part of the loops in simd/, so there is nothing here but data.
#pragma once

#include "framework/core/real.h"

namespace espalier::kernels {

struct Finish {
  enum class Kind {
    none,
    relu,       ///< max(v, 0)
    clip,       ///< v within [a, b]
    hard_swish  ///< v times (a v + b within [0, 1])
  };
  Kind kind = Kind::none;
  Real a = 0, b = 0;
  constexpr Finish() = default;
  constexpr Finish(bool relu)  // NOLINT(google-explicit-constructor): most often it is ReLU or nothing
      : kind(relu ? Kind::relu : Kind::none) {}
  constexpr Finish(Kind k, Real first, Real second) : kind(k), a(first), b(second) {}
  explicit constexpr operator bool() const { return kind != Kind::none; }
};

}  // namespace espalier::kernels
