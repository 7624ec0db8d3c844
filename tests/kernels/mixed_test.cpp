// mixed_test.cpp: float32 matrices with float64 sums against plain loops,
// for extents around blocks and vectors.
#include "framework/kernels/mixed.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "framework/core/random.h"
#include "tests/kernels/each_instruction_set.h"

namespace espalier::test {
namespace {

using kernels::Transpose;

template <class T>
std::vector<T> normal(Index n, std::uint64_t key) {
  Random random(key, Random::Use::test);
  std::vector<T> v(n);
  for (T& x : v) x = static_cast<T>(random.normal());
  return v;
}
template <class T>
double at(const std::vector<T>& v, Index i) {
  return static_cast<double>(v[i]);
}

TEST(Mixed, ProductsWithVectorsAreExactToFloat64) {
  for (const Index m : {1, 3, 4, 9})
    for (const Index n : {1, 15, 16, 37})
      for_each_instruction_set([&] {
        SCOPED_TRACE(fmt::format("{} x {}", m, n));
        const Index ld = n + 3;
        const auto a = normal<float>(m * ld, 1);
        const auto x = normal<double>(n, 2), u = normal<double>(m, 3);
        std::vector<double> y(m, 1), z(static_cast<std::size_t>(n), 1), s(z);
        kernels::mixed_gemv(Transpose::no, m, n, a.data(), ld, x.data(), y.data());
        kernels::mixed_gemv(Transpose::yes, m, n, a.data(), ld, u.data(), z.data());
        kernels::add_column_squares(m, n, a.data(), ld, s.data());
        for (Index i = 0; i < m; ++i) {
          double sum = 1;
          for (Index j = 0; j < n; ++j) sum += at(a, i * ld + j) * at(x, j);
          EXPECT_NEAR(at(y, i), sum, 1e-13);
        }
        for (Index j = 0; j < n; ++j) {
          double sum = 1, squares = 1;
          for (Index i = 0; i < m; ++i) {
            sum += at(a, i * ld + j) * at(u, i);
            squares += at(a, i * ld + j) * at(a, i * ld + j);
          }
          EXPECT_NEAR(at(z, j), sum, 1e-13);
          EXPECT_NEAR(at(s, j), squares, 1e-13);
        }
      });
}

TEST(Mixed, GramMatrixIsAddedToTheLowerTriangleOnly) {
  for (const Index n : {1, 5, 70})
    for (const Index k : {1, 33, 2100}) {  // more than one sum in float32
      SCOPED_TRACE(fmt::format("{} x {}", n, k));
      const auto a = normal<float>(n * k, 1);
      std::vector<double> c(n * n, 7);
      std::vector<double> exact = c;
      const std::vector<double> wide(a.begin(), a.end());
      kernels::add_gram(n, k, a.data(), k, c.data(), n);
      kernels::add_gram(n, k, wide.data(), k, exact.data(), n);
      for (Index i = 0; i < n; ++i)
        for (Index j = 0; j < n; ++j) {
          double sum = 7;
          for (Index q = 0; q < k && j <= i; ++q) sum += at(a, i * k + q) * at(a, j * k + q);
          EXPECT_NEAR(at(c, i * n + j), sum, 1e-6 * static_cast<double>(k)) << i << ", " << j;
          EXPECT_NEAR(at(exact, i * n + j), sum, 1e-14 * static_cast<double>(k)) << i << ", " << j;
        }
    }
}

TEST(Mixed, SolvesAcrossItsBlocks) {
  for (const Index n : {1, 63, 64, 65, 300, 600})
    for (const Index columns : {1, 7, 40}) {
      SCOPED_TRACE(fmt::format("{} x {}", n, columns));
      auto l = normal<double>(n * n, 1);
      for (Index i = 0; i < n; ++i) {
        for (Index j = 0; j < n; ++j) l[i * n + j] *= j < i ? 0.1 : 0;
        l[i * n + i] = 2 + 0.01 * static_cast<double>(i % 7);
      }
      const auto x = normal<float>(n * columns, 2);
      std::vector<float> b(x.size()), prepared(static_cast<std::size_t>(n * n), NAN);
      for (Index i = 0; i < n; ++i)  // b = L x, so that x is the solution
        for (Index c = 0; c < columns; ++c) {
          double sum = 0;
          for (Index j = 0; j <= i; ++j) sum += at(l, i * n + j) * at(x, j * columns + c);
          b[i * columns + c] = static_cast<float>(sum);
        }
      kernels::prepare_single(n, l.data(), n, prepared.data());
      kernels::solve_single(n, columns, prepared.data(), b.data(), columns);
      double difference = 0, norm = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        difference += std::pow(static_cast<double>(b[i] - x[i]), 2);
        norm += std::pow(static_cast<double>(x[i]), 2);
      }
      EXPECT_LT(std::sqrt(difference / norm), 1e-3);  // float32 times the condition of this L
    }
}

}  // namespace
}  // namespace espalier::test
