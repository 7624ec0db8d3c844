// gemm.h: typed names over OpenBLAS (row-major). OpenBLAS runs single-threaded; we cut the result into fixed
// tiles and run those in parallel, so the bits do not depend on the number of threads.
#pragma once

#include "framework/core/real.h"

namespace espalier::kernels {

enum class Transpose { no, yes };

/// C[m,n] = alpha op(A) op(B) + beta C, leading dimensions as stored (row-major: length of a stored row).
void gemm(Transpose ta, Transpose tb, Index m, Index n, Index k, float alpha, const float* a, Index lda,
          const float* b, Index ldb, float beta, float* c, Index ldc);
void gemm(Transpose ta, Transpose tb, Index m, Index n, Index k, double alpha, const double* a, Index lda,
          const double* b, Index ldb, double beta, double* c, Index ldc);

/// C[n,n] = alpha A A' + beta C, A is [n,k]; both triangles are written.
void syrk(Index n, Index k, double alpha, const double* a, Index lda, double beta, double* c, Index ldc);
/// y[m] = alpha op(A) x + beta y, A stored [m0,n0] row-major.
void gemv(Transpose t, Index m0, Index n0, double alpha, const double* a, Index lda, const double* x,
          double beta, double* y);
/// A = L L' in the lower triangle, upper triangle zeroed. Returns 0, or the order of the leading minor that
/// is not positive definite.
int cholesky(Index n, double* a, Index lda);
/// X = L^{-1} X (or L^{-T} X if transposed), X is [n, columns] row-major.
void triangular_solve(Transpose t, Index n, Index columns, const double* l, Index ldl, double* x, Index ldx);
/// A = V diag(values) V', ascending; V's columns overwrite a. Symmetric A.
void eigen_symmetric(Index n, double* a, Index lda, double* values);

}  // namespace espalier::kernels
