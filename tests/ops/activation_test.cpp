// activation_test.cpp: values and edge cases of softmax, cross-entropy, ReLU and dropout.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "framework/core/parallel.h"
#include "framework/ops/ops.h"
#include "tests/support/check_op.h"

namespace espalier::test {
namespace {

double at(const Var& v, Index i) { return static_cast<double>(v.value().data()[i]); }

TEST(Softmax, SumsToOneAndDoesNotOverflow) {
  const Real logits[] = {1, 2, 3, 80, 5000, -5000};
  const Var p = softmax(Var(Tensor::from({2, 3}, logits)));
  const double sum = std::exp(1.0) + std::exp(2.0) + std::exp(3.0);
  for (Index k = 0; k < 3; ++k)
    EXPECT_NEAR(at(p, k), std::exp(1.0 + static_cast<double>(k)) / sum, tolerance());
  EXPECT_EQ(at(p, 3), 0);
  EXPECT_EQ(at(p, 4), 1);
  EXPECT_EQ(at(p, 5), 0);
}

TEST(CrossEntropy, WithLabelSmoothing) {
  const Var x(fill_tensor({4, 5}, Fill::normal, 1));
  const std::int32_t labels[] = {3, 0, 4, 3};
  for (const double smoothing : {0.0, 0.1, 0.7}) {
    const Var loss = cross_entropy(x, labels, smoothing);
    for (Index n = 0; n < 4; ++n) {
      double sum = 0, expected = 0;
      for (Index k = 0; k < 5; ++k) sum += std::exp(at(x, n * 5 + k));
      for (Index k = 0; k < 5; ++k) {
        const double target = (k == labels[n] ? 1 - smoothing : 0) + smoothing / 5;
        expected -= target * (at(x, n * 5 + k) - std::log(sum));
      }
      EXPECT_NEAR(at(loss, n), expected, tolerance(4)) << "smoothing " << smoothing;
    }
  }
}

TEST(CrossEntropy, OfHugeLogitsIsFinite) {
  const Real logits[] = {10000, -10000, 0, 0};
  const std::int32_t labels[] = {1, 0};
  const Var loss = cross_entropy(Var(Tensor::from({2, 2}, logits)), labels);
  EXPECT_NEAR(at(loss, 0), 20000, tolerance(20000));
  EXPECT_NEAR(at(loss, 1), std::log(2), tolerance());
}

TEST(Relu, PassesNoGradientAtZeroAndLetsNaNThrough) {
  const Real values[] = {0, -0.0, 1, std::numeric_limits<Real>::quiet_NaN()};
  const Var x(Tensor::from({4}, values), true), y = relu(x);
  EXPECT_TRUE(std::isnan(at(y, 3))) << "a NaN must reach the loss, where it is found, and not be hidden";
  const Var g = grad(y, std::span(&x, 1))[0];
  EXPECT_EQ(at(g, 0), 0);
  EXPECT_EQ(at(g, 1), 0);
  EXPECT_EQ(at(g, 2), 1);
}

TEST(Dropout, DropsItsShareAndKeepsTheMean) {
  constexpr Index n = 100, d = 1000;
  const Var x(Tensor::full({n, d}, 1));
  for (const double rate : {0.1, 0.5, 0.9}) {
    const Var y = dropout(x, rate, 3);
    double dropped = 0;
    for (const Real v : y.value().values()) {
      if (v == 0)
        ++dropped;
      else
        ASSERT_NEAR(static_cast<double>(v), 1 / (1 - rate), tolerance(10));
    }
    // 5 standard deviations of a binomial.
    EXPECT_NEAR(dropped / (n * d), rate, 5 * std::sqrt(rate * (1 - rate) / (n * d)));
  }
}

TEST(Dropout, IsAFunctionOfItsKeyAndOfTheExample) {
  const Var x(Tensor::full({8, 200}, 1));
  const Tensor once = dropout(x, 0.5, 3).value();
  EXPECT_EQ(distance(once, dropout(x, 0.5, 3).value()), 0);
  EXPECT_GT(distance(once, dropout(x, 0.5, 4).value()), 0);
  EXPECT_GT(distance(once.slice({0, 1}), once.slice({1, 2})), 0) << "every example has a mask of its own";
  const int before = threads();
  set_threads(before == 1 ? 2 : 1);
  EXPECT_EQ(distance(once, dropout(x, 0.5, 3).value()), 0) << "on any number of threads";
  set_threads(before);
}

TEST(Dropout, GradientPassesWhereTheValueDid) {
  const Var x(random_direction({3, 50}, 1), true);
  const Var y = dropout(x, 0.3, 9), g = grad(y, std::span(&x, 1))[0];
  for (Index i = 0; i < 150; ++i) EXPECT_NEAR(at(g, i) * at(x, i), at(y, i), tolerance(2));
}

}  // namespace
}  // namespace espalier::test
