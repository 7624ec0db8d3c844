// gemm.cpp: matrix products. OpenBLAS computes tiles of the result on one thread each; the tiles are a
// function of the extents alone.
#include "framework/kernels/gemm.h"

#include <algorithm>

#include "framework/core/parallel.h"
#include "framework/kernels/openblas.h"

namespace espalier::kernels {
namespace {

CBLAS_TRANSPOSE flag(Transpose t) { return t == Transpose::yes ? CblasTrans : CblasNoTrans; }

void product(Transpose ta, Transpose tb, int m, int n, int k, float alpha, const float* a, int lda,
             const float* b, int ldb, float beta, float* c, int ldc) {
  cblas_sgemm(CblasRowMajor, flag(ta), flag(tb), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
void product(Transpose ta, Transpose tb, int m, int n, int k, double alpha, const double* a, int lda,
             const double* b, int ldb, double beta, double* c, int ldc) {
  cblas_dgemm(CblasRowMajor, flag(ta), flag(tb), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

constexpr Index serial_below = Index{1} << 21;  // multiply-adds; about 40 microseconds of one thread
constexpr Index tile_rows = 192, tile_columns = 384;

template <class T>
void tiled(Transpose ta, Transpose tb, Index m, Index n, Index k, T alpha, const T* a, Index lda, const T* b,
           Index ldb, T beta, T* c, Index ldc) {
  use_one_blas_thread();
  if (m <= 0 || n <= 0) return;
  const bool one = m * n * std::max<Index>(k, 1) < serial_below;
  const Index rows = one ? m : std::min(tile_rows, std::max<Index>(32, (m + 3) / 4)),
              across = one ? n : std::min(tile_columns, n);
  const Index down = (m + rows - 1) / rows, tiles = down * ((n + across - 1) / across);
  parallel_for(tiles, 1, [&](Range range) {
    for (Index t = range.begin; t < range.end; ++t) {
      const Index i = t % down * rows, j = t / down * across;
      product(ta, tb, blas_int(std::min(rows, m - i)), blas_int(std::min(across, n - j)), blas_int(k), alpha,
              a + (ta == Transpose::yes ? i : i * lda), blas_int(lda),
              b + (tb == Transpose::yes ? j * ldb : j), blas_int(ldb), beta, c + i * ldc + j, blas_int(ldc));
    }
  });
}

}  // namespace

void gemm(Transpose ta, Transpose tb, Index m, Index n, Index k, float alpha, const float* a, Index lda,
          const float* b, Index ldb, float beta, float* c, Index ldc) {
  tiled(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
void gemm(Transpose ta, Transpose tb, Index m, Index n, Index k, double alpha, const double* a, Index lda,
          const double* b, Index ldb, double beta, double* c, Index ldc) {
  tiled(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void gemv(Transpose t, Index m0, Index n0, double alpha, const double* a, Index lda, const double* x,
          double beta, double* y) {
  use_one_blas_thread();
  const bool transposed = t == Transpose::yes;
  const Index outputs = transposed ? n0 : m0;
  const Index panel = m0 * n0 < serial_below ? std::max<Index>(outputs, 1) : 512;
  parallel_for(outputs, panel, [&](Range r) {
    const double* part = a + (transposed ? r.begin : r.begin * lda);
    cblas_dgemv(CblasRowMajor, flag(t), blas_int(transposed ? m0 : r.size()),
                blas_int(transposed ? r.size() : n0), alpha, part, blas_int(lda), x, 1, beta, y + r.begin, 1);
  });
}

}  // namespace espalier::kernels
