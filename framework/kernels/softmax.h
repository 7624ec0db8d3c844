// softmax.h: row-wise softmax and cross-entropy of [n, classes] logits.
#pragma once

#include <cstdint>

#include "framework/core/real.h"

namespace espalier::kernels {

/// p = softmax(x) by row, with the row maximum subtracted first.
void softmax(Index n, Index classes, const Real* x, Real* p);
/// loss[n] = -sum_k t_k log softmax(x)_k, where t = (1 - smoothing) one_hot(label) + smoothing / classes;
/// also writes p = softmax(x).
void cross_entropy(Index n, Index classes, const Real* x, const std::int32_t* labels, Real smoothing,
                   Real* loss, Real* p);
/// y[n] = sum_k x[n,k]
void row_sums(Index n, Index classes, const Real* x, Real* y);
/// y[n,k] = x[n]
void spread_rows(Index n, Index classes, const Real* x, Real* y);
/// y[n,k] = factor[n] x[n,k]
void scale_rows(Index n, Index classes, const Real* x, const Real* factor, Real* y);

}  // namespace espalier::kernels
