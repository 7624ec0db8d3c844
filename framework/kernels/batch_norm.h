// batch_norm.h: per-channel affine normalisation of [rows, channels] (NHWC with n*h*w rows). Reductions run
// over fixed chunks of rows in fixed order, with float64 sums: same bits on any number of threads.
#pragma once

#include "framework/core/real.h"
#include "framework/kernels/finish.h"

namespace espalier::kernels {

/// mean[c] and biased variance[c] over rows,
/// in one stable pass per chunk (chunk results merged by Chan's formula).
void channel_moments(Index rows, Index channels, const Real* x, Real* mean, Real* variance);
/// y[r,c] = x[r,c] * scale[c] + shift[c] (+ add[r,c] if add), finished. y may be x.
void channel_affine(Index rows, Index channels, const Real* x, const Real* scale, const Real* shift,
                    const Real* add, const Finish& finish, Real* y);
/// sum[c] = sum_r x[r,c];  sum_product[c] = sum_r x[r,c] * z[r,c] (skipped if z is null).
void channel_sums(Index rows, Index channels, const Real* x, const Real* z, Real* sum, Real* sum_product);
/// What batch norm's gradients need of its forward pass, per channel. With `scale` and `shift` a ReLU (or clip, or
/// hard-swish) follows: dy counts as what it passes back to x * scale + shift, the value before it; null without.
struct BatchNormChannels {
  const Real *gamma, *mean, *inv_std;
  const Real *scale = nullptr, *shift = nullptr;
  Finish finish = {};
};
/// mean_dy[c] = mean_r(dy), mean_dy_xhat[c] = mean_r(dy * x_hat), x_hat = (x - mean) * inv_std; in one pass.
void batch_norm_means(Index rows, Index channels, const Real* x, const Real* dy, const BatchNormChannels& at,
                      Real* mean_dy, Real* mean_dy_xhat);
/// Input gradient of training-mode batch norm, dx may be dy:
/// dx[r,c] = gamma[c] * inv_std[c] * (dy - mean_r(dy) - x_hat * mean_r(dy * x_hat)).
void batch_norm_input_grad(Index rows, Index channels, const Real* x, const Real* dy,
                           const BatchNormChannels& at, const Real* mean_dy, const Real* mean_dy_xhat,
                           Real* dx);
/// dx[r,c] = low < y[r,c] < high ? scale[c] * dy[r,c] : 0: the input gradient of an affine map with ReLU (0 and
/// infinity) or clip whose output was y.
void channel_scale_within(Index rows, Index channels, Real low, Real high, const Real* dy, const Real* y,
                          const Real* scale, Real* dx);

}  // namespace espalier::kernels
