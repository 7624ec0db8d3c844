#include "framework/kernels/mixed.h"

#include <algorithm>

#include "framework/kernels/instruction_set.h"
#include "framework/kernels/openblas.h"
#include "framework/kernels/scratch.h"

namespace espalier::kernels {
namespace {

constexpr Index gram_columns = 1024;         // summed in float32; adding to float64 costs 3 % of the product
constexpr Index inverted = 64, outer = 256;  // rows per inverted block, per large product

void subtract_product(Index m, Index n, Index k, const float* a, Index lda, const float* b, float* c,
                      Index ldx) {
  if (k > 0)
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, blas_int(m), blas_int(n), blas_int(k), -1, a,
                blas_int(lda), b, blas_int(ldx), 1, c, blas_int(ldx));
}

}  // namespace

void mixed_gemv(Transpose t, Index m, Index n, const float* a, Index lda, const double* x, double* y) {
  const InstructionSet& loops = instruction_set();
  if (t == Transpose::no) {
    for (Index i = 0; i < m; ++i) y[i] += loops.mixed_dot(n, a + i * lda, x);
    return;
  }
  Index i = 0;
  for (; i + 4 <= m; i += 4) loops.mixed_add_rows(n, a + i * lda, lda, x + i, y);
  for (; i < m; ++i)
    for (Index j = 0; j < n; ++j) y[j] += x[i] * static_cast<double>(a[i * lda + j]);
}

void add_column_squares(Index m, Index n, const float* a, Index lda, double* sums) {
  Index i = 0;
  for (; i + 4 <= m; i += 4) instruction_set().mixed_add_squares(n, a + i * lda, lda, sums);
  for (; i < m; ++i)
    for (Index j = 0; j < n; ++j)
      sums[j] += static_cast<double>(a[i * lda + j]) * static_cast<double>(a[i * lda + j]);
}

void add_gram(Index n, Index k, const float* a, Index lda, double* c, Index ldc) {
  use_one_blas_thread();
  if (n == 0) return;
  Scratch<float> product(n * n);
  for (Index first = 0; first < k; first += gram_columns) {
    const Index width = std::min(gram_columns, k - first);
    cblas_ssyrk(CblasRowMajor, CblasLower, CblasNoTrans, blas_int(n), blas_int(width), 1, a + first,
                blas_int(lda), 0, product.data(), blas_int(n));
    for (Index i = 0; i < n; ++i) {
      const float* from = product.data() + i * n;
      double* to = c + i * ldc;
      for (Index j = 0; j <= i; ++j) to[j] += static_cast<double>(from[j]);
    }
  }
}

void add_gram(Index n, Index k, const double* a, Index lda, double* c, Index ldc) {
  use_one_blas_thread();
  cblas_dsyrk(CblasRowMajor, CblasLower, CblasNoTrans, blas_int(n), blas_int(k), 1, a, blas_int(lda), 1, c,
              blas_int(ldc));
}

void prepare_single(Index n, const double* l, Index ldl, float* to) {
  use_one_blas_thread();
  Scratch<double> inverse(inverted * inverted);
  for (Index b = 0; b < n; b += inverted) {
    const Index m = std::min(inverted, n - b);
    std::fill_n(inverse.data(), inverted * inverted, 0.0);
    for (Index i = 0; i < m; ++i) inverse[i * inverted + i] = 1;
    cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, blas_int(m), blas_int(m), 1,
                l + b * ldl + b, blas_int(ldl), inverse.data(), blas_int(inverted));
    for (Index i = 0; i < m; ++i) {
      float* row = to + (b + i) * n;
      for (Index j = 0; j < b; ++j) row[j] = static_cast<float>(l[(b + i) * ldl + j]);
      for (Index j = 0; j < m; ++j) row[b + j] = static_cast<float>(inverse[i * inverted + j]);
      std::fill(row + b + m, row + n, 0.0F);
    }
  }
}

// Large products subtract what earlier rows contribute, 256 rows at a time, so that OpenBLAS packs each row
// of X once per 256 rows and not once per 64.
void solve_single(Index n, Index columns, const float* prepared, float* x, Index ldx) {
  use_one_blas_thread();
  Scratch<float> right(inverted * columns);
  for (Index o = 0; o < n; o += outer) {
    const Index end = std::min(o + outer, n);
    subtract_product(end - o, columns, o, prepared + o * n, n, x, x + o * ldx, ldx);
    for (Index b = o; b < end; b += inverted) {
      const Index m = std::min(inverted, end - b);
      float* rows = x + b * ldx;
      subtract_product(m, columns, b - o, prepared + b * n + o, n, x + o * ldx, rows, ldx);
      for (Index i = 0; i < m; ++i) std::copy_n(rows + i * ldx, columns, right.data() + i * columns);
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, blas_int(m), blas_int(columns), blas_int(m), 1,
                  prepared + b * n + b, blas_int(n), right.data(), blas_int(columns), 0, rows, blas_int(ldx));
    }
  }
}

}  // namespace espalier::kernels
