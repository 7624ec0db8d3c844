// openblas.h: OpenBLAS for the .cpp files of this folder. It must run on the calling thread only: the
// parallel loops are ours, and their tiles fix the order of every sum.
#pragma once

#include <cblas.h>

#include <limits>

#include "framework/core/check.h"
#include "framework/core/real.h"

extern "C" {
// LAPACK by its Fortran names (column-major, every argument by address).
void dpotrf_(const char* uplo, const int* n, double* a, const int* lda, int* info);
void dsyevd_(const char* job, const char* uplo, const int* n, double* a, const int* lda, double* w,
             double* work, const int* lwork, int* iwork, const int* liwork, int* info);
}

namespace espalier::kernels {

inline void use_one_blas_thread() {
  static const bool done = (openblas_set_num_threads(1), true);
  static_cast<void>(done);
}

inline int blas_int(Index n) {
  require(n <= std::numeric_limits<int>::max(), "[gemm] an extent of {} does not fit BLAS's 32-bit integers",
          n);
  return static_cast<int>(n);
}

}  // namespace espalier::kernels
