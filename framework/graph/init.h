// init.h: initial values. fan_in and fan_out count the connections of one output and of one input.
#pragma once

#include <algorithm>
#include <cmath>

#include "framework/graph/graph.h"

namespace espalier {

inline Initializer constant(Real value) {
  return [value](std::span<Real> w, Random&) { std::fill(w.begin(), w.end(), value); };
}
/// He et al. 2015: normal with variance 2 / fan_in, for layers followed by ReLU.
inline Initializer he_normal(Index fan_in) {
  return [fan_in](std::span<Real> w, Random& random) {
    const double deviation = std::sqrt(2.0 / static_cast<double>(fan_in));
    for (Real& v : w) v = static_cast<Real>(deviation * random.normal());
  };
}
/// Glorot & Bengio 2010: uniform with variance 2 / (fan_in + fan_out), for layers that feed a softmax.
inline Initializer glorot_uniform(Index fan_in, Index fan_out) {
  return [fan_in, fan_out](std::span<Real> w, Random& random) {
    const double limit = std::sqrt(6.0 / static_cast<double>(fan_in + fan_out));
    for (Real& v : w) v = static_cast<Real>(random.uniform(-limit, limit));
  };
}

}  // namespace espalier
