// softmax_test.cpp: rows of probabilities and the cross-entropy they give.
#include "framework/kernels/softmax.h"

#include <gtest/gtest.h>

#include <numeric>

#include "framework/core/parallel.h"
#include "tests/support/arrays.h"
#include "tests/support/precision.h"

namespace espalier::test {
namespace {

using Values = std::vector<Real>;

TEST(Softmax, IsExponentialsOverTheirSum) {
  for (const Index classes : {1, 2, 10, 37, 1000}) {
    const Index n = 7;
    const Values x = normal_values(n * classes, 1);
    Values p = poisoned(n * classes), expected(p.size());
    for (Index e = 0; e < n; ++e) {
      double sum = 0;
      for (Index k = 0; k < classes; ++k) sum += std::exp(static_cast<double>(x[e * classes + k]));
      for (Index k = 0; k < classes; ++k) {
        const auto at = static_cast<std::size_t>(e * classes + k);
        expected[at] = static_cast<Real>(std::exp(static_cast<double>(x[at])) / sum);
      }
    }
    kernels::softmax(n, classes, x.data(), p.data());
    EXPECT_LT(largest_difference(p, expected), tolerance());
  }
}

// exp(1000) overflows; the row maximum is taken out first.
TEST(Softmax, LargeLogitsDoNotOverflow) {
  const Values x = {1000, 999, -1000};
  Values p = poisoned(3), loss = poisoned(1);
  const std::int32_t label = 2;
  kernels::cross_entropy(1, 3, x.data(), &label, 0, loss.data(), p.data());
  EXPECT_NEAR(static_cast<double>(p[0]), 1 / (1 + std::exp(-1.0)), tolerance());
  EXPECT_EQ(p[2], Real(0));
  EXPECT_NEAR(static_cast<double>(loss[0]), 2000 + std::log(1 + std::exp(-1.0)), tolerance(2000));
}

TEST(CrossEntropy, IsMinusTheExpectedLogProbability) {
  const Index n = 9, classes = 10;
  const Values x = normal_values(n * classes, 1);
  const std::vector<std::int32_t> labels = {0, 1, 2, 3, 4, 5, 6, 9, 9};
  for (const double smoothing : {0.0, 0.1}) {
    Values p = poisoned(n * classes), only = p, loss = poisoned(n);
    kernels::cross_entropy(n, classes, x.data(), labels.data(), static_cast<Real>(smoothing), loss.data(),
                           p.data());
    kernels::softmax(n, classes, x.data(), only.data());
    EXPECT_EQ(p, only);
    for (Index e = 0; e < n; ++e) {
      double expected = 0;
      for (Index k = 0; k < classes; ++k) {
        const double target = (labels[e] == k ? 1 - smoothing : 0) + smoothing / 10;
        expected -= target * std::log(static_cast<double>(p[e * classes + k]));
      }
      EXPECT_NEAR(static_cast<double>(loss[e]), expected, tolerance(4));
    }
  }
}

TEST(CrossEntropy, NanLogitsGiveNanLoss) {
  Values x(10, Real(1));
  x[3] = std::numeric_limits<Real>::quiet_NaN();
  Values p(10), loss(1);
  const std::int32_t label = 0;
  kernels::cross_entropy(1, 10, x.data(), &label, 0, loss.data(), p.data());
  EXPECT_TRUE(std::isnan(loss[0]));
}

TEST(Rows, SumsAndSpreadAreAdjoint) {
  const Index n = 5, classes = 13;
  const Values x = normal_values(n * classes, 1), v = normal_values(n, 2);
  Values sums = poisoned(n), spread = poisoned(n * classes);
  kernels::row_sums(n, classes, x.data(), sums.data());
  kernels::spread_rows(n, classes, v.data(), spread.data());
  EXPECT_NEAR(inner_product(sums, v), inner_product(x, spread), tolerance(64));
  EXPECT_EQ(spread[13], v[1]);
  EXPECT_NEAR(static_cast<double>(sums[1]),
              std::accumulate(x.begin() + classes, x.begin() + 2 * classes, 0.0), tolerance(16));
}

TEST(Rows, ScaleIsTheProductWithSpreadFactors) {
  const Index n = 5, classes = 13;
  const Values x = normal_values(n * classes, 1), factor = normal_values(n, 2);
  Values spread = poisoned(n * classes), y = poisoned(n * classes);
  kernels::spread_rows(n, classes, factor.data(), spread.data());
  kernels::scale_rows(n, classes, x.data(), factor.data(), y.data());
  for (std::size_t k = 0; k < x.size(); ++k) EXPECT_EQ(y[k], spread[k] * x[k]);
}

TEST(CrossEntropy, SameBitsOnOneAndTwoThreads) {
  const Index n = 4001, classes = 10;
  const Values x = normal_values(n * classes, 1);
  const std::vector<std::int32_t> labels(n, 3);
  std::vector<Values> results[2];
  for (const int count : {1, 2}) {
    set_threads(count);
    Values p = poisoned(n * classes), loss = poisoned(n);
    kernels::cross_entropy(n, classes, x.data(), labels.data(), Real(0.1), loss.data(), p.data());
    results[count - 1] = {p, loss};
  }
  EXPECT_TRUE(same_bits(results[0][0], results[1][0]));
  EXPECT_TRUE(same_bits(results[0][1], results[1][1]));
}

}  // namespace
}  // namespace espalier::test
