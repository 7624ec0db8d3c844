// compare.h: how alike two curvature matrices are, in the numbers of `espalier curvature`.
#pragma once

#include "pruning/rows/curvature.h"

namespace espalier {

/// Square root of the sum of squares.
double frobenius_norm(std::span<const double> values);
/// <a, b> / (|a| |b|), for matrices as vectors of their entries; NaN if either is zero.
double cosine(std::span<const double> a, std::span<const double> b);
/// Spearman's rank correlation; ties share the mean of their ranks. NaN if either is constant.
double rank_correlation(std::span<const double> a, std::span<const double> b);
/// Share of the squared Frobenius norm that lies within diagonal blocks of `block` weights (the last may be
/// smaller); 1 for block >= size.
double mass_in_blocks(const SquareMatrix& matrix, Index block);

}  // namespace espalier
