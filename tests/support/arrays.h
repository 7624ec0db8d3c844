// arrays.h: random arrays and comparisons of arrays for tests.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <vector>

#include "framework/core/random.h"
#include "framework/core/real.h"

namespace espalier::test {

/// Standard normal values, a function of `seed` alone.
template <class T = Real>
std::vector<T> normal_values(Index n, std::uint64_t seed) {
  Random random(seed, Random::Use::test);
  std::vector<T> v(n);
  for (T& x : v) x = static_cast<T>(random.normal());
  return v;
}

/// An output buffer in which a value left unwritten cannot be missed.
template <class T = Real>
std::vector<T> poisoned(Index n) {
  return std::vector<T>(n, std::numeric_limits<T>::quiet_NaN());
}

/// The largest |a - b|; NaN if any value of either is NaN.
template <class T>
double largest_difference(const std::vector<T>& a, const std::vector<T>& b) {
  EXPECT_EQ(a.size(), b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (!(d <= worst)) worst = d;
    if (std::isnan(worst)) break;
  }
  return worst;
}

template <class T>
double inner_product(const std::vector<T>& a, const std::vector<T>& b) {
  EXPECT_EQ(a.size(), b.size());
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

}  // namespace espalier::test
