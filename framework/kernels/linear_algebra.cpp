// linear_algebra.cpp: symmetric products, Cholesky, triangular solves and eigenvalues in float64, on OpenBLAS
// and its LAPACK. Row-major lower is column-major upper, so LAPACK sees the transpose of what the header
// says.
#include <algorithm>

#include "framework/core/parallel.h"
#include "framework/kernels/gemm.h"
#include "framework/kernels/openblas.h"
#include "framework/kernels/scratch.h"

namespace espalier::kernels {
namespace {
constexpr Index syrk_tile = 128;
constexpr Index solve_panel = 256;
}  // namespace

void syrk(Index n, Index k, double alpha, const double* a, Index lda, double beta, double* c, Index ldc) {
  use_one_blas_thread();
  const Index tiles = (n + syrk_tile - 1) / syrk_tile;
  // Tile pairs (row >= column); each is computed once and copied across the diagonal.
  parallel_for(tiles * (tiles + 1) / 2, 1, [&](Range range) {
    for (Index t = range.begin; t < range.end; ++t) {
      Index row = 0;
      while ((row + 1) * (row + 2) / 2 <= t) ++row;
      const Index i = row * syrk_tile, j = (t - row * (row + 1) / 2) * syrk_tile;
      const Index m = std::min(syrk_tile, n - i), w = std::min(syrk_tile, n - j);
      cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, blas_int(m), blas_int(w), blas_int(k), alpha,
                  a + i * lda, blas_int(lda), a + j * lda, blas_int(lda), beta, c + i * ldc + j,
                  blas_int(ldc));
      for (Index r = 0; r < m; ++r)
        for (Index s = 0; s < w && (i != j || s < r); ++s)
          c[(j + s) * ldc + i + r] = c[(i + r) * ldc + j + s];
    }
  });
}

int cholesky(Index n, double* a, Index lda) {
  use_one_blas_thread();
  const int order = blas_int(n), stride = blas_int(lda);
  int info = 0;
  dpotrf_("U", &order, a, &stride, &info);
  for (Index i = 0; i < n; ++i) std::fill(a + i * lda + i + 1, a + i * lda + n, 0.0);
  return info;
}

void triangular_solve(Transpose t, Index n, Index columns, const double* l, Index ldl, double* x, Index ldx) {
  use_one_blas_thread();
  const CBLAS_TRANSPOSE flag = t == Transpose::yes ? CblasTrans : CblasNoTrans;
  parallel_for(columns, solve_panel, [&](Range r) {
    cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, flag, CblasNonUnit, blas_int(n), blas_int(r.size()),
                1.0, l, blas_int(ldl), x + r.begin, blas_int(ldx));
  });
}

void eigen_symmetric(Index n, double* a, Index lda, double* values) {
  use_one_blas_thread();
  const int order = blas_int(n), stride = blas_int(lda), query = -1;
  int info = 0, integers = 0;
  double doubles = 0;
  dsyevd_("V", "U", &order, a, &stride, values, &doubles, &query, &integers, &query, &info);
  const int work_size = static_cast<int>(doubles), integer_size = integers;
  Scratch<double> work(work_size);
  Scratch<int> integer_work(integer_size);
  dsyevd_("V", "U", &order, a, &stride, values, work.data(), &work_size, integer_work.data(), &integer_size,
          &info);
  if (info != 0)
    fail(ExitCode::numeric, "[eigen_symmetric] LAPACK dsyevd failed on a {}x{} matrix: {}", n, n, info);
  for (Index i = 0; i < n; ++i)  // LAPACK's column k is our row k
    for (Index j = 0; j < i; ++j) std::swap(a[i * lda + j], a[j * lda + i]);
}

}  // namespace espalier::kernels
