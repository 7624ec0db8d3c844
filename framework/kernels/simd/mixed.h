// mixed.h: float32 matrices with float64 vectors and sums, whatever Real is.
#pragma once

#include "framework/kernels/instruction_set.h"
#include "framework/kernels/simd/lanes.h"

namespace espalier::kernels::ESPALIER_LEVEL {

static double mixed_dot(Index n, const float* a, const double* x) {
  double part[16] = {};  // as dot() in elementwise.h
  Index k = 0;
  for (; k + 16 <= n; k += 16)
    for (int j = 0; j < 16; ++j) part[j] += static_cast<double>(a[k + j]) * x[k + j];
  for (; k < n; ++k) part[0] += static_cast<double>(a[k]) * x[k];
  double sum = 0;
  for (const double p : part) sum += p;
  return sum;
}

/// y += sum of four rows, each times its factor.
static void mixed_add_rows(Index n, const float* a, Index lda, const double* x, double* __restrict y) {
  const float *b = a + lda, *c = b + lda, *d = c + lda;
  const double p = x[0], q = x[1], r = x[2], s = x[3];
  for (Index k = 0; k < n; ++k)
    y[k] += (p * static_cast<double>(a[k]) + q * static_cast<double>(b[k])) +
            (r * static_cast<double>(c[k]) + s * static_cast<double>(d[k]));
}

static void mixed_add_squares(Index n, const float* a, Index lda, double* __restrict y) {
  const float *b = a + lda, *c = b + lda, *d = c + lda;
  for (Index k = 0; k < n; ++k) {
    const auto p = static_cast<double>(a[k]), q = static_cast<double>(b[k]), r = static_cast<double>(c[k]),
               s = static_cast<double>(d[k]);
    y[k] += (p * p + q * q) + (r * r + s * s);
  }
}

}  // namespace espalier::kernels::ESPALIER_LEVEL
