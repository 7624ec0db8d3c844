// batch_norm.h: per-channel affine normalisation of [rows, channels] (NHWC with n*h*w rows). Reductions run
// over fixed chunks of rows in fixed order, with float64 sums: same bits on any number of threads.
#pragma once

#include "framework/core/real.h"

namespace espalier::kernels {

/// mean[c] and biased variance[c] over rows, in one stable pass per chunk (chunk results merged by Chan's
/// formula).
void channel_moments(Index rows, Index channels, const Real* x, Real* mean, Real* variance);
/// y[r,c] = x[r,c] * scale[c] + shift[c] (+ add[r,c] if add) , then max(.,0) if relu. y may be x.
void channel_affine(Index rows, Index channels, const Real* x, const Real* scale, const Real* shift,
                    const Real* add, bool relu, Real* y);
/// sum[c] = sum_r x[r,c];  sum_product[c] = sum_r x[r,c] * z[r,c] (skipped if z is null).
void channel_sums(Index rows, Index channels, const Real* x, const Real* z, Real* sum, Real* sum_product);
/// Input gradient of training-mode batch norm, x_hat = (x - mean) * inv_std:
/// dx[r,c] = gamma[c] * inv_std[c] * (dy - mean_r(dy) - x_hat * mean_r(dy * x_hat)). dx may be dy.
/// mean_dy[c], mean_dy_xhat[c] are the two means, computed by the caller from channel_sums.
void batch_norm_input_grad(Index rows, Index channels, const Real* x, const Real* dy, const Real* gamma,
                           const Real* mean, const Real* inv_std, const Real* mean_dy,
                           const Real* mean_dy_xhat, Real* dx);

}  // namespace espalier::kernels
