// gemm_test.cpp: matrix products and factorisations against naive loops.
#include "framework/kernels/gemm.h"

#include <gtest/gtest.h>

#include "framework/core/parallel.h"
#include "tests/support/arrays.h"
#include "tests/support/precision.h"

namespace espalier::test {
namespace {

using kernels::Transpose;
using Matrix = std::vector<double>;

std::size_t at(Index i, Index j, Index ld) { return static_cast<std::size_t>(i * ld + j); }

/// A symmetric positive definite matrix with eigenvalues of about 1 to 5.
Matrix positive_definite(Index n, Index ld, std::uint64_t seed) {
  const Matrix g = normal_values<double>(n * n, seed);
  Matrix a = poisoned<double>(n * ld);
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < n; ++j) {
      double sum = 0;
      for (Index k = 0; k < n; ++k) sum += g[at(i, k, n)] * g[at(j, k, n)];
      a[at(i, j, ld)] = sum / static_cast<double>(n) + (i == j ? 1 : 0);
    }
  return a;
}

template <class T>
void check_gemm() {
  const struct {
    Index m, n, k;
  } extents[] = {{1, 1, 1},      {3, 5, 7},      {64, 40, 784}, {40, 784, 64},
                 {128, 64, 576}, {500, 400, 33}, {1, 300, 20}};
  const double rounding = static_cast<double>(std::numeric_limits<T>::epsilon()) / 2;
  for (const auto& e : extents)
    for (const Transpose ta : {Transpose::no, Transpose::yes})
      for (const Transpose tb : {Transpose::no, Transpose::yes})
        for (const double beta : {0.0, 1.0, -0.5}) {
          const Index lda = (ta == Transpose::yes ? e.m : e.k) + 3,
                      ldb = (tb == Transpose::yes ? e.k : e.n) + 2;
          const Index ldc = e.n + 1;
          const auto a = normal_values<T>((e.m + e.k) * (lda + e.m), 1);
          const auto b = normal_values<T>((e.n + e.k) * (ldb + e.n), 2);
          const auto before = normal_values<T>(e.m * ldc, 3);
          auto c = beta == 0 ? poisoned<T>(e.m * ldc) : before;  // beta = 0: C is not read
          kernels::gemm(ta, tb, e.m, e.n, e.k, static_cast<T>(2), a.data(), lda, b.data(), ldb,
                        static_cast<T>(beta), c.data(), ldc);
          double worst = 0;
          for (Index i = 0; i < e.m; ++i)
            for (Index j = 0; j < e.n; ++j) {
              double sum = 0;
              for (Index k = 0; k < e.k; ++k)
                sum += static_cast<double>(a[ta == Transpose::yes ? at(k, i, lda) : at(i, k, lda)]) *
                       static_cast<double>(b[tb == Transpose::yes ? at(j, k, ldb) : at(k, j, ldb)]);
              const double expected =
                  2 * sum + (beta == 0 ? 0 : beta * static_cast<double>(before[at(i, j, ldc)]));
              const double error = std::abs(static_cast<double>(c[at(i, j, ldc)]) - expected);
              if (!(error <= worst)) worst = error;
            }
          ASSERT_LT(worst, 16 * static_cast<double>(e.k + 8) * rounding)
              << e.m << "x" << e.n << "x" << e.k << " beta " << beta;
        }
}
TEST(Gemm, Float32IsTheTripleLoop) { check_gemm<float>(); }
TEST(Gemm, Float64IsTheTripleLoop) { check_gemm<double>(); }

TEST(Gemm, AnEmptyInnerExtentScalesTheResult) {
  Matrix a(1), c = {1, 2, 3, 4};
  kernels::gemm(Transpose::no, Transpose::no, 2, 2, 0, 1.0, a.data(), 1, a.data(), 2, 0.5, c.data(), 2);
  EXPECT_EQ(c, (Matrix{0.5, 1, 1.5, 2}));
}

TEST(Gemv, IsTheDoubleLoop) {
  for (const Index rows : {1, 5, 1030})
    for (const Index columns : {1, 7, 2500}) {
      const Index lda = columns + 1;
      const Matrix a = normal_values<double>(rows * lda, 1), x = normal_values<double>(rows + columns, 2);
      for (const Transpose t : {Transpose::no, Transpose::yes})
        for (const double beta : {0.0, 2.0}) {
          const Index outputs = t == Transpose::yes ? columns : rows,
                      inner = t == Transpose::yes ? rows : columns;
          const Matrix before = normal_values<double>(outputs, 3);
          Matrix y = beta == 0 ? poisoned<double>(outputs) : before, expected(y.size());
          for (Index o = 0; o < outputs; ++o) {
            double sum = 0;
            for (Index k = 0; k < inner; ++k)
              sum += a[t == Transpose::yes ? at(k, o, lda) : at(o, k, lda)] * x[k];
            const auto i = static_cast<std::size_t>(o);
            expected[i] = 3 * sum + (beta == 0 ? 0 : beta * before[i]);
          }
          kernels::gemv(t, rows, columns, 3, a.data(), lda, x.data(), beta, y.data());
          EXPECT_LT(largest_difference(y, expected), 1e-12 * static_cast<double>(inner + 1));
        }
    }
}

TEST(Syrk, WritesBothTrianglesOfAAt) {
  for (const Index n : {1, 17, 128, 300})
    for (const double beta : {0.0, 1.0}) {
      const Index k = 45, lda = k + 2, ldc = n + 3;
      const Matrix a = normal_values<double>(n * lda, 1);
      Matrix before = poisoned<double>(n * ldc);
      if (beta != 0) before = positive_definite(n, ldc, 5);
      Matrix c = before;
      kernels::syrk(n, k, 2, a.data(), lda, beta, c.data(), ldc);
      double worst = 0;
      for (Index i = 0; i < n; ++i)
        for (Index j = 0; j < n; ++j) {
          double sum = 0;
          for (Index p = 0; p < k; ++p) sum += a[at(i, p, lda)] * a[at(j, p, lda)];
          const double expected = 2 * sum + (beta == 0 ? 0 : beta * before[at(i, j, ldc)]);
          const double error = std::abs(c[at(i, j, ldc)] - expected);
          if (!(error <= worst)) worst = error;
          ASSERT_EQ(c[at(i, j, ldc)], c[at(j, i, ldc)]);
        }
      EXPECT_LT(worst, 1e-12);
    }
}

TEST(Cholesky, TimesItsTransposeIsTheMatrix) {
  for (const Index n : {1, 2, 33, 128, 129, 400}) {
    const Index ld = n + 1;
    const Matrix a = positive_definite(n, ld, 1);
    Matrix l = a;
    ASSERT_EQ(kernels::cholesky(n, l.data(), ld), 0);
    double worst = 0;
    for (Index i = 0; i < n; ++i)
      for (Index j = 0; j < n; ++j) {
        double sum = 0;
        for (Index k = 0; k <= std::min(i, j); ++k) sum += l[at(i, k, ld)] * l[at(j, k, ld)];
        worst = std::max(worst, std::abs(sum - a[at(i, j, ld)]));
        if (j > i) {
          ASSERT_EQ(l[at(i, j, ld)], 0) << "upper triangle";
        }
      }
    EXPECT_LT(worst, 1e-12);
  }
}

TEST(Cholesky, ReportsTheMinorThatIsNotPositiveDefinite) {
  for (const Index bad : {1, 2, 150, 300}) {
    Matrix a = positive_definite(300, 300, 1);
    a[at(bad - 1, bad - 1, 300)] = -1;
    EXPECT_EQ(kernels::cholesky(300, a.data(), 300), static_cast<int>(bad));
  }
}

TEST(TriangularSolve, UndoesTheProduct) {
  for (const Index n : {1, 5, 64, 130, 300})
    for (const Index columns : {1, 10, 600})
      for (const Transpose t : {Transpose::no, Transpose::yes}) {
        const Index ldl = n + 2, ldx = columns + 1;
        Matrix l = positive_definite(n, ldl, 1);
        ASSERT_EQ(kernels::cholesky(n, l.data(), ldl), 0);
        const Matrix x = normal_values<double>(n * ldx, 2);
        Matrix product(x);
        for (Index i = 0; i < n; ++i)
          for (Index j = 0; j < columns; ++j) {
            double sum = 0;
            for (Index k = 0; k < n; ++k)
              sum += (t == Transpose::yes ? l[at(k, i, ldl)] : l[at(i, k, ldl)]) * x[at(k, j, ldx)];
            product[at(i, j, ldx)] = sum;
          }
        kernels::triangular_solve(t, n, columns, l.data(), ldl, product.data(), ldx);
        EXPECT_LT(largest_difference(product, x), 1e-11) << n << " " << columns;
      }
}

TEST(Eigen, ReassemblesTheMatrixInAscendingOrder) {
  for (const Index n : {1, 2, 10, 90}) {
    const Index ld = n + 1;
    const Matrix a = positive_definite(n, ld, 1);
    Matrix v = a, values = poisoned<double>(n);
    kernels::eigen_symmetric(n, v.data(), ld, values.data());
    for (Index k = 1; k < n; ++k) EXPECT_LE(values[k - 1], values[k]);
    double worst = 0, orthogonal = 0;
    for (Index i = 0; i < n; ++i)
      for (Index j = 0; j < n; ++j) {
        double sum = 0, dot = 0;
        for (Index k = 0; k < n; ++k) {
          sum += v[at(i, k, ld)] * values[k] * v[at(j, k, ld)];
          dot += v[at(k, i, ld)] * v[at(k, j, ld)];
        }
        worst = std::max(worst, std::abs(sum - a[at(i, j, ld)]));
        orthogonal = std::max(orthogonal, std::abs(dot - (i == j ? 1 : 0)));
      }
    EXPECT_LT(worst, 1e-12);
    EXPECT_LT(orthogonal, 1e-12);
  }
}

TEST(LinearAlgebra, SameBitsOnOneAndTwoThreads) {
  const Index n = 333, k = 2100;
  const Matrix a = normal_values<double>(n * k, 1), x = normal_values<double>(k, 2),
               spd = positive_definite(n, n, 3);
  std::vector<Matrix> results[2];
  for (const int count : {1, 2}) {
    set_threads(count);
    Matrix c = poisoned<double>(n * n), s = c, l = spd, solved = a, y = poisoned<double>(n),
           z = poisoned<double>(k);
    kernels::gemm(Transpose::no, Transpose::yes, n, n, k, 1.0, a.data(), k, a.data(), k, 0.0, c.data(), n);
    kernels::syrk(n, k, 1, a.data(), k, 0, s.data(), n);
    kernels::cholesky(n, l.data(), n);
    kernels::triangular_solve(Transpose::no, n, k, l.data(), n, solved.data(), k);
    kernels::gemv(Transpose::no, n, k, 1, a.data(), k, x.data(), 0, y.data());
    kernels::gemv(Transpose::yes, n, k, 1, a.data(), k, y.data(), 0, z.data());
    results[count - 1] = {c, s, l, solved, y, z};
  }
  for (std::size_t r = 0; r < results[0].size(); ++r)
    EXPECT_TRUE(same_bits(results[0][r], results[1][r])) << r;
}

}  // namespace
}  // namespace espalier::test
