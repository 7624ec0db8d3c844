// real.h: the number type of tensors and the index types used everywhere.
#pragma once

#include <cstdint>

namespace espalier {

#ifdef ESPALIER_REAL_DOUBLE
using Real = double;  // the tests' second build: gradients are checked against differences in float64
#else
using Real = float;
#endif

using Index = std::int64_t;

/// Half-open interval of indices, most often of examples.
struct Range {
  Index begin = 0, end = 0;
  Index size() const { return end - begin; }
  bool operator==(const Range&) const = default;
};

}  // namespace espalier
