// dense.h: the step of the paper's recursion (Sherman & Morrison), which adds one gradient to F.
#pragma once

#include <span>

#include "framework/core/real.h"

namespace espalier {

/// F_{n-1}^-1 in, F_n^-1 out, [c, c] row-major, for the n-th of N gradients, g of c values:
///   F_n^-1 = F_{n-1}^-1 - x x' / (N + g'x),   x = F_{n-1}^-1 g
void sherman_morrison(std::span<double> inverse, std::span<const double> g, Index gradients);

}  // namespace espalier
