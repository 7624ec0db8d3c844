#include "framework/io/compact/float16.h"

#include <cmath>
#include <limits>

namespace espalier {

float from_float16(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31, fraction = bits & 1023;
  const float magnitude = exponent == 31  ? (fraction ? std::numeric_limits<float>::quiet_NaN() : INFINITY)
                          : exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                          : std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
  return (bits & 0x8000) ? -magnitude : magnitude;
}

std::uint16_t to_float16(float value) {
  const unsigned sign = std::signbit(value) ? 0x8000 : 0;
  const float size = std::fabs(value);
  if (std::isnan(size)) return static_cast<std::uint16_t>(sign | 0x7e00);
  if (size >= 65520) return static_cast<std::uint16_t>(sign | 0x7c00);
  // In units of the last place of its binade the value is rounded to a whole number. 2048 of them are one of
  // the next binade, and adding the exponent below carries as it should.
  const int exponent = size < 0x1p-14F ? -14 : std::ilogb(size);
  const auto units = static_cast<unsigned>(std::nearbyint(std::ldexp(size, 10 - exponent)));
  return static_cast<std::uint16_t>(sign | (static_cast<unsigned>(exponent + 14) * 1024 + units));
}

}  // namespace espalier
