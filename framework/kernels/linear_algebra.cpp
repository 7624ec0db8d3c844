// linear_algebra.cpp: symmetric products, Cholesky, triangular solves and eigenvalues in float64. The blocked
// forms are ours, so that nearly all work is cblas_dgemm on tiles that run in parallel; OpenBLAS's own dpotrf
// and dtrsm reach half the rate. Row-major lower is column-major upper: LAPACK sees the transpose of what the
// header says.
#include <algorithm>

#include "framework/core/parallel.h"
#include "framework/kernels/gemm.h"
#include "framework/kernels/openblas.h"
#include "framework/kernels/scratch.h"

namespace espalier::kernels {
namespace {

constexpr Index block = 64;         // rows of a tile, order of a diagonal block
constexpr Index solve_panel = 192;  // columns solved together: they stay in the second-level cache

Index blocks_of(Index n) { return (n + block - 1) / block; }

/// C[m,n] -= op(A) B or op(A) B', float64, on this thread.
void subtract_product(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, Index m, Index n, Index k, const double* a,
                      Index lda, const double* b, Index ldb, double* c, Index ldc) {
  if (k > 0)
    cblas_dgemm(CblasRowMajor, ta, tb, blas_int(m), blas_int(n), blas_int(k), -1, a, blas_int(lda), b,
                blas_int(ldb), 1, c, blas_int(ldc));
}

/// to[block, block] = L^-1 of a diagonal block of m <= block rows, zeros elsewhere. Multiplying by it costs
/// twice the operations of a solve and runs at four times the rate.
void invert_diagonal(Index m, const double* l, Index ldl, double* to) {
  std::fill_n(to, block * block, 0.0);
  for (Index k = 0; k < m; ++k) to[k * block + k] = 1;
  cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, blas_int(m), blas_int(m), 1,
              l, blas_int(ldl), to, block);
}

/// to[m, width] = the rows at `from`.
void copy_rows(Index m, Index width, const double* from, Index ld, double* to) {
  for (Index k = 0; k < m; ++k) std::copy_n(from + k * ld, width, to + k * width);
}

}  // namespace

void syrk(Index n, Index k, double alpha, const double* a, Index lda, double beta, double* c, Index ldc) {
  use_one_blas_thread();
  const Index tiles = blocks_of(n);
  parallel_for(tiles, 1, [&](Range range) {
    for (Index t = range.begin; t < range.end; ++t) {
      const Index i = (tiles - 1 - t) * block, m = std::min(block, n - i);  // the longest rows first
      double* row = c + i * ldc;
      if (i > 0)
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, blas_int(m), blas_int(i), blas_int(k), alpha,
                    a + i * lda, blas_int(lda), a, blas_int(lda), beta, row, blas_int(ldc));
      cblas_dsyrk(CblasRowMajor, CblasLower, CblasNoTrans, blas_int(m), blas_int(k), alpha, a + i * lda,
                  blas_int(lda), beta, row + i, blas_int(ldc));
      for (Index j0 = 0; j0 < i + m; j0 += block)  // by blocks, for the cache
        for (Index r = 0; r < m; ++r)
          for (Index j = j0; j < std::min(j0 + block, i + r); ++j) c[j * ldc + i + r] = row[r * ldc + j];
    }
  });
}

// Left-looking: block column j first takes the products of all columns before it, then is factored.
int cholesky(Index n, double* a, Index lda) {
  use_one_blas_thread();
  Scratch<double> inverse(block * block);
  for (Index j = 0; j < n; j += block) {
    const Index w = std::min(block, n - j);
    double* diagonal = a + j * lda + j;
    subtract_product(CblasNoTrans, CblasTrans, w, w, j, a + j * lda, lda, a + j * lda, lda, diagonal, lda);
    const int order = static_cast<int>(w), stride = blas_int(lda);
    int info = 0;
    dpotrf_("U", &order, diagonal, &stride, &info);
    if (info != 0) return static_cast<int>(j) + info;
    const Index below = j + w;
    if (below == n) break;
    invert_diagonal(w, diagonal, lda, inverse.data());
    parallel_for(n - below, block, [&](Range r) {
      const Index m = r.size();
      double* rows = a + (below + r.begin) * lda;
      subtract_product(CblasNoTrans, CblasTrans, m, w, j, rows, lda, a + j * lda, lda, rows + j, lda);
      Scratch<double> left(m * w);
      copy_rows(m, w, rows + j, lda, left.data());
      cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, blas_int(m), order, order, 1, left.data(), order,
                  inverse.data(), block, 0, rows + j, stride);
    });
  }
  for (Index i = 0; i < n; ++i) std::fill(a + i * lda + i + 1, a + i * lda + n, 0.0);
  return 0;
}

// Blocks of 64 rows: subtract what is solved, then multiply by the inverse of the diagonal block.
void triangular_solve(Transpose t, Index n, Index columns, const double* l, Index ldl, double* x, Index ldx) {
  use_one_blas_thread();
  const CBLAS_TRANSPOSE flag = t == Transpose::yes ? CblasTrans : CblasNoTrans;
  if (columns < 16) {  // inverses would cost more than the solve
    cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, flag, CblasNonUnit, blas_int(n), blas_int(columns), 1,
                l, blas_int(ldl), x, blas_int(ldx));
    return;
  }
  const Index blocks = blocks_of(n);
  Scratch<double> inverses(blocks * block * block);
  parallel_for(blocks, 1, [&](Range range) {
    for (Index b = range.begin; b < range.end; ++b) {
      const Index i = b * block;
      invert_diagonal(std::min(block, n - i), l + i * ldl + i, ldl, inverses.data() + b * block * block);
    }
  });
  parallel_for(columns, solve_panel, [&](Range r) {
    const Index width = r.size();
    Scratch<double> right(block * width);
    for (Index step = 0; step < blocks; ++step) {
      const bool forward = t == Transpose::no;
      const Index b = forward ? step : blocks - 1 - step, i = b * block, m = std::min(block, n - i),
                  next = i + m;
      double* rows = x + i * ldx + r.begin;
      if (forward)
        subtract_product(flag, CblasNoTrans, m, width, i, l + i * ldl, ldl, x + r.begin, ldx, rows, ldx);
      else
        subtract_product(flag, CblasNoTrans, m, width, n - next, l + next * ldl + i, ldl,
                         x + next * ldx + r.begin, ldx, rows, ldx);
      copy_rows(m, width, rows, ldx, right.data());
      cblas_dgemm(CblasRowMajor, flag, CblasNoTrans, blas_int(m), blas_int(width), blas_int(m), 1,
                  inverses.data() + b * block * block, block, right.data(), blas_int(width), 0, rows,
                  blas_int(ldx));
    }
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
