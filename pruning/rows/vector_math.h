// vector_math.h: sums over vectors of float64, in the order of their entries.
#pragma once

#include <cmath>
#include <span>

namespace espalier {

inline double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

inline double norm(std::span<const double> v) { return std::sqrt(dot(v, v)); }

}  // namespace espalier
