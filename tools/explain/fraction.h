// fraction.h: exact fractions of 64-bit integers, for problems small enough to be checked by hand.
#pragma once

#include <cstdint>
#include <numeric>
#include <string>

namespace espalier {

class Fraction {
 public:
  struct Overflow {};
  Fraction(std::int64_t numerator = 0, std::int64_t denominator = 1) : n_(numerator), d_(denominator) {
    reduce();
  }
  friend Fraction operator+(const Fraction& a, const Fraction& b) {
    return {add(times(a.n_, b.d_), times(b.n_, a.d_)), times(a.d_, b.d_)};
  }
  friend Fraction operator-(const Fraction& a, const Fraction& b) { return a + Fraction(-b.n_, b.d_); }
  friend Fraction operator*(const Fraction& a, const Fraction& b) {
    return {times(a.n_, b.n_), times(a.d_, b.d_)};
  }
  friend Fraction operator/(const Fraction& a, const Fraction& b) {
    return {times(a.n_, b.d_), times(a.d_, b.n_)};
  }
  /// "3/4", "-2".
  std::string str() const {
    return d_ == 1 ? std::to_string(n_) : std::to_string(n_) + "/" + std::to_string(d_);
  }

 private:
  static std::int64_t times(std::int64_t a, std::int64_t b) {
    std::int64_t product = 0;
    if (__builtin_mul_overflow(a, b, &product)) throw Overflow();
    return product;
  }
  static std::int64_t add(std::int64_t a, std::int64_t b) {
    std::int64_t sum = 0;
    if (__builtin_add_overflow(a, b, &sum)) throw Overflow();
    return sum;
  }
  void reduce() {
    if (d_ == 0) throw Overflow();
    if (d_ < 0) n_ = -n_, d_ = -d_;
    const std::int64_t common = std::gcd(n_, d_);
    n_ /= common;
    d_ /= common;
  }
  std::int64_t n_, d_;
};

}  // namespace espalier
