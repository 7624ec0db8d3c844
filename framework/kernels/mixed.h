// mixed.h: large float32 matrices (gradients) meeting small float64 systems: what the inverse of the Fisher
// is made of. All on the calling thread: blocks and panels are the parallel loops.
#pragma once

#include "framework/kernels/gemm.h"

namespace espalier::kernels {

/// y[m] += A x, or y[n] += A' x if transposed, A [m,n] float32; products and sums in float64.
void mixed_gemv(Transpose t, Index m, Index n, const float* a, Index lda, const double* x, double* y);

/// sums[j] += sum_i a[i,j]^2 in float64, A [m,n].
void add_column_squares(Index m, Index n, const float* a, Index lda, double* sums);

/// The lower triangle of C += A A', A [n,k] float32, C float64. Products are summed in float32 over at most
/// 1,024 columns, the sums in float64: relative to |a_i| |a_j| the error is about 1e-7.
void add_gram(Index n, Index k, const float* a, Index lda, double* c, Index ldc);
/// The same in float64 throughout.
void add_gram(Index n, Index k, const double* a, Index lda, double* c, Index ldc);

/// A lower triangle in the form that solve_single() takes: float32, blocks of 64 on the diagonal inverted (in
/// float64), zeros above. `to` is [n,n].
void prepare_single(Index n, const double* l, Index ldl, float* to);
/// X = L^-1 X in float32, X [n, columns].
void solve_single(Index n, Index columns, const float* prepared, float* x, Index ldx);

}  // namespace espalier::kernels
