// precision.h: how far apart two computations of the same number may be, by number type.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "framework/core/real.h"

namespace espalier::test {

/// Rounding unit of Real: 6e-8 or 1.1e-16.
constexpr double unit = static_cast<double>(std::numeric_limits<Real>::epsilon()) / 2;

/// Allowed error of a sum of `terms` products of standard normals, in any order. Partial sums grow like
/// sqrt(k), so the roundings add up to about unit * terms / sqrt(2) (Higham 2002, section 2.8); the factor
/// leaves room for the largest of many sums and for the reference's own error.
constexpr double sum_tolerance(double terms) { return 8 * (terms + 8) * unit; }

/// For values of size `magnitude` that went through a handful of operations.
constexpr double tolerance(double magnitude = 1) { return 32 * unit * (magnitude > 1 ? magnitude : 1); }

}  // namespace espalier::test
