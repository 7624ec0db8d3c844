// float16.h: IEEE 754 half precision as it lies in files: 1 sign bit, 5 of exponent, 10 of fraction. Values
// are stored in it and never computed with.
#pragma once

#include <cstdint>

namespace espalier {

float from_float16(std::uint16_t bits);
/// The nearest, ties to even; from 65520 on infinite, up to 2^-25 zero. The sign is kept, also of zero.
std::uint16_t to_float16(float value);

}  // namespace espalier
