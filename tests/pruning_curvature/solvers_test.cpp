// Lanczos against the dense eigen-solver, conjugate gradients against dense solves: on matrices of every kind
// and on the Hessian of a network.
#include <gtest/gtest.h>

#include <cmath>

#include "framework/autograd/backward.h"
#include "framework/kernels/gemm.h"
#include "pruning/curvature/dense.h"
#include "pruning/curvature/lanczos.h"
#include "pruning/curvature/products.h"
#include "pruning/inverse/cg.h"
#include "pruning/rows/stored_rows.h"
#include "tests/support/curvature.h"
#include "tests/support/expect_error.h"
#include "tests/support/pruning.h"

namespace espalier::test {
namespace {

/// Q diag(values) Q' with a random orthogonal Q (eigenvectors of a random symmetric matrix).
SquareMatrix with_eigenvalues(const std::vector<double>& values, std::uint64_t seed = 1) {
  const auto d = static_cast<Index>(values.size());
  SquareMatrix q(d), m(d);
  Random random(seed, Random::Use::test);
  for (Index i = 0; i < d; ++i)
    for (Index j = 0; j <= i; ++j) q(i, j) = q(j, i) = random.normal();
  std::vector<double> ignored(values.size());
  kernels::eigen_symmetric(d, q.values.data(), d, ignored.data());
  for (Index i = 0; i < d; ++i)
    for (Index j = 0; j < d; ++j)
      for (Index k = 0; k < d; ++k) m(i, j) += q(i, k) * values[k] * q(j, k);
  return m;
}

std::vector<double> eigenvalues_of(SquareMatrix m) {  // ascending
  std::vector<double> values(m.size);
  kernels::eigen_symmetric(m.size, m.values.data(), m.size, values.data());
  return values;
}

void expect_ends(const SquareMatrix& m, int wanted, double tolerance = 1e-6) {
  const std::vector<double> expected = eigenvalues_of(m);
  const Eigenvalues found = lanczos(
      DenseOperator(m), {.largest = wanted, .smallest = wanted, .most_steps = 400, .tolerance = tolerance});
  const double scale = std::max({std::abs(expected.front()), std::abs(expected.back()), 1e-300});
  EXPECT_TRUE(found.settled);
  const std::size_t n = std::min(expected.size(), static_cast<std::size_t>(wanted));
  ASSERT_EQ(found.largest.size(), n);
  ASSERT_EQ(found.smallest.size(), n);
  for (std::size_t k = 0; k < n; ++k) {
    EXPECT_NEAR(found.largest[k].value, expected[expected.size() - 1 - k], 2 * tolerance * scale) << k;
    EXPECT_NEAR(found.smallest[k].value, expected[k], 2 * tolerance * scale) << k;
  }
}

TEST(Lanczos, FindsBothEndsOfAnIndefiniteMatrix) {
  std::vector<double> values;
  for (int i = 0; i < 120; ++i) values.push_back(std::sinh(0.07 * (i - 50)));
  expect_ends(with_eigenvalues(values), 8);
}
TEST(Lanczos, MatricesOfLowRankOrderOneAndZero) {
  std::vector<double> low(60, 0.0);
  low[0] = 5, low[1] = 2, low[2] = 1;
  expect_ends(with_eigenvalues(low), 6);
  expect_ends(with_eigenvalues({3.5}), 4);
  expect_ends(SquareMatrix(9), 3);
}
TEST(Lanczos, ARepeatedEigenvalueIsFoundAsOftenAsItOccurs) {
  expect_ends(with_eigenvalues({1, 1, 1, 2, 2, 7, 7, 7, 9, 9}), 10);
}
TEST(Lanczos, IdentityTakesTwoProducts) {
  const Eigenvalues found =
      lanczos(DenseOperator(with_eigenvalues(std::vector<double>(50, 2.0))), {.largest = 5});
  EXPECT_LE(found.steps, 2);
  ASSERT_EQ(found.largest.size(), 5u);
  for (const auto& e : found.largest) EXPECT_NEAR(e.value, 2, 1e-12);
}
TEST(Lanczos, VectorsAreEigenvectors) {
  std::vector<double> values;
  for (int i = 0; i < 80; ++i) values.push_back(std::pow(0.8, i));
  const SquareMatrix m = with_eigenvalues(values);
  const Eigenvalues found = lanczos(DenseOperator(m), {.largest = 5, .tolerance = 1e-10, .vectors = true});
  std::vector<double> out(80);
  for (const auto& e : found.largest) {
    DenseOperator(m).apply(e.vector, out);
    double off = 0;
    for (std::size_t i = 0; i < out.size(); ++i) off += std::pow(out[i] - e.value * e.vector[i], 2);
    EXPECT_LE(std::sqrt(off), 1e-9);
    EXPECT_NEAR(std::sqrt(off), e.residual, 1e-9) << "the residual reported is the residual";
    EXPECT_NEAR(inner_product(e.vector, e.vector), 1, 1e-12);
  }
}
TEST(Lanczos, TooFewStepsAreReported) {
  std::vector<double> values;
  for (int i = 0; i < 100; ++i) values.push_back(1 + 1e-3 * i);
  const Eigenvalues found =
      lanczos(DenseOperator(with_eigenvalues(values)), {.largest = 20, .most_steps = 25});
  EXPECT_FALSE(found.settled);
  EXPECT_EQ(found.steps, 25);
}

struct Net {
  std::unique_ptr<Model> model = mlp({7, 6, 5, 4}, 2);
  TensorExamples examples = random_examples(30, {1, 1, 7}, 4, 6);
};

TEST(Lanczos, HessianOfANetworkFromProductsAlone) {
  const Net net;
  const auto product = curvature_product(*net.model, net.examples, {0, 1, 2}, Hessian{});
  const std::vector<double> expected = eigenvalues_of(dense(*product));
  // In float32 products are not exactly symmetric, and residuals settle at their rounding.
  const double tolerance = sizeof(Real) == 8 ? 1e-9 : 1e-4, scale = expected.back();
  EXPECT_LT(expected.front(), -0.01 * scale) << "the Hessian of untrained weights is indefinite";
  const Eigenvalues found = lanczos(*product, {.largest = 5, .smallest = 5, .tolerance = tolerance});
  EXPECT_TRUE(found.settled);
  for (std::size_t k = 0; k < 5; ++k) {
    EXPECT_NEAR(found.largest[k].value, expected[expected.size() - 1 - k], 2 * tolerance * scale);
    EXPECT_NEAR(found.smallest[k].value, expected[k], 2 * tolerance * scale);
  }
}

TEST(ConjugateGradients, SolvesLikeADenseSolver) {
  std::vector<double> values;
  for (int i = 0; i < 50; ++i) values.push_back(std::pow(10, -0.1 * i));  // condition number 1e5
  const SquareMatrix m = with_eigenvalues(values);
  const std::vector<double> truth = random_values(50, 3);
  std::vector<double> b(50), x(50, 0.0), diagonal;
  DenseOperator(m).apply(truth, b);
  for (std::size_t i = 0; i < b.size(); ++i) b[i] += 0.01 * truth[i];
  for (Index i = 0; i < 50; ++i) diagonal.push_back(m(i, i));
  const CgResult plain = conjugate_gradients(DenseOperator(m), 0.01, b, x, {.tolerance = 1e-12});
  EXPECT_LE(relative_difference(x, truth), 1e-9);
  EXPECT_LE(plain.residual, 1e-12);
  std::vector<double> y(50, 0.5);  // from another start, with Jacobi's preconditioner
  conjugate_gradients(DenseOperator(m), 0.01, b, y, {.tolerance = 1e-12}, diagonal);
  EXPECT_LE(relative_difference(y, truth), 1e-9);
  const std::vector<double> zero(50, 0.0);
  EXPECT_EQ(conjugate_gradients(DenseOperator(m), 0.01, zero, y).steps, 0);
  EXPECT_EQ(y, zero);
}

TEST(ConjugateGradients, SaysWhatIsWrong) {
  const SquareMatrix indefinite = with_eigenvalues({1, 2, -3, 4});
  const std::vector<double> b{1, 1, 1, 1};
  std::vector<double> x(4, 0.0);
  testing::expect_error(ExitCode::numeric, {"damp 0.5", "not positive definite", "larger damp"},
                        [&] { conjugate_gradients(DenseOperator(indefinite), 0.5, b, x); });
  const SquareMatrix hard = with_eigenvalues({1, 1e-3, 1e-6, 1e-9});
  std::fill(x.begin(), x.end(), 0.0);
  testing::expect_error(ExitCode::numeric, {"after 1 steps", "larger damp"}, [&] {
    conjugate_gradients(DenseOperator(hard), 1e-12, b, x, {.tolerance = 1e-10, .most_steps = 1});
  });
}

TEST(OperatorInverse, OfTheHessianAgainstADenseSolve) {
  const Net net;
  // One layer: its block is positive semidefinite whatever the weights (the layer-block identity).
  const std::shared_ptr<const CurvatureOperator> product =
      curvature_product(*net.model, net.examples, {1}, Hessian{});
  const double damp = 0.05;
  const double close = sizeof(Real) == 8 ? 1e-9 : 1e-4;
  SquareMatrix m = dense(*product);
  std::vector<double> diagonal;
  for (Index i = 0; i < m.size; ++i) diagonal.push_back(m(i, i));
  const OperatorInverse inverse(product, damp, {.tolerance = sizeof(Real) == 8 ? 1e-12 : 1e-6}, diagonal);
  for (Index i = 0; i < m.size; ++i) m(i, i) += damp;
  // m^-1 by its eigenvectors.
  SquareMatrix vectors = m;
  std::vector<double> values(m.size);
  kernels::eigen_symmetric(m.size, vectors.values.data(), m.size, values.data());
  SquareMatrix expected(m.size);
  for (Index i = 0; i < m.size; ++i)
    for (Index j = 0; j < m.size; ++j)
      for (Index k = 0; k < m.size; ++k) expected(i, j) += vectors(i, k) * vectors(j, k) / values[k];
  std::vector<double> diagonal_expected;
  for (Index i = 0; i < m.size; ++i) diagonal_expected.push_back(expected(i, i));
  EXPECT_LE(relative_difference({inverse.diagonal().begin(), inverse.diagonal().end()}, diagonal_expected),
            close);
  const std::vector<double> v = random_values(static_cast<std::size_t>(m.size), 4);
  std::vector<double> out(v.size()), out_expected(v.size());
  inverse.apply(v, out);
  DenseOperator(expected).apply(v, out_expected);
  EXPECT_LE(relative_difference(out, out_expected), close);
}

TEST(OperatorInverse, ADiagonalOfTooManySolvesIsRefused) {
  const Net net;
  const OperatorInverse inverse(curvature_product(*net.model, net.examples, {0}, FisherKind::exact), 1, {},
                                {}, 41);
  testing::expect_error(ExitCode::config, {"42", "41", "max_diagonal"}, [&] { (void)inverse.diagonal(); });
}

TEST(StoredRows, EveryInverseTakesTheHessianOfALayer) {
  const Net net;
  const CurvatureRows source(*net.model, net.examples, {1}, Hessian{});
  const StoredRows rows(source);
  ASSERT_EQ(rows.rows(), 30 * 3);
  const SquareMatrix block = curvature_block(source);
  const DenseFisher reference(rows, {{0, rows.cols()}}, 0);
  EXPECT_LE(relative_difference(reference.matrix, block.values), sizeof(Real) == 8 ? 1e-12 : 1e-5);
  // Column ranges as the inverses ask for them.
  std::vector<double> all(rows.rows() * rows.cols()), part;
  rows.load({0, rows.cols()}, all.data());
  part.resize(rows.rows() * 4);
  rows.load({3, 7}, part.data());
  EXPECT_EQ(part[4], all[rows.cols() + 3]);
}

TEST(CgInverse, IsTheInverseOfTheFisherOfGradientRows) {
  const DenseRows rows(12, 30, random_values(360, 8));
  const std::vector<Range> layers{{0, 18}, {18, 30}};
  const auto settings = made<InverseSettings>(R"({"type": "cg", "tolerance": 1e-12})");
  const auto inverse = settings->build(rows, layers, 1e-2);
  EXPECT_EQ(settings->partition(layers), (std::vector<Range>{{0, 30}}));
  const DenseFisher reference(rows, {{0, 30}}, 1e-2);
  std::vector<double> diagonal;
  for (std::size_t q = 0; q < 30; ++q) diagonal.push_back(reference.inverse[q * 30 + q]);
  EXPECT_LE(relative_difference({inverse->diagonal().begin(), inverse->diagonal().end()}, diagonal), 1e-9);
  const std::vector<double> v = random_values(30, 9);
  std::vector<double> out(30);
  inverse->apply(v, out);
  EXPECT_LE(relative_difference(out, reference.times(reference.inverse, v)), 1e-9);
}

}  // namespace
}  // namespace espalier::test
