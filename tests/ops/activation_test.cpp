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

/// Gradients of <y, c> for fixed c, and the products of the Hessian with a vector.
std::vector<Tensor> derivatives(const Var& y, const std::vector<Var>& wrt) {
  const Var value = dot(y, Var(fill_tensor(y.shape(), Fill::normal, 9)));
  std::vector<Tensor> all{y.value()};
  Var along;
  for (const Var& g : grad(value, wrt, {.create_graph = true})) {
    all.push_back(g.value());
    const Var term = dot(g, Var(fill_tensor(g.shape(), Fill::normal, 8)));
    along = along.empty() ? term : add(along, term);
  }
  for (const Var& g : grad(along, wrt)) all.push_back(g.value());
  for (const Var& g : grad(value, wrt)) all.push_back(g.value());
  return all;
}

// Batch norm takes the activation behind it into its own pass: values and derivatives are those of the two ops.
TEST(BatchNorm, WithAnActivationIsBatchNormAndThenTheActivation) {
  const std::vector<Var> in{Var(fill_tensor({5, 3, 2, 19}, Fill::normal, 1), true),
                            Var(fill_tensor({19}, Fill::normal, 2), true),
                            Var(fill_tensor({19}, Fill::normal, 3), true)};
  const Tensor mean = fill_tensor({19}, Fill::normal, 4), variance = Tensor::full({19}, 2);
  using Kind = Activation::Kind;
  for (const Activation& f : {Activation(Kind::relu), Activation(Kind::clip, -0.25, 0.75),
                              Activation(Kind::hard_swish), Activation(Kind::silu)})
    for (const bool training : {true, false}) {
      BatchMoments moments;
      const auto normed = [&](const Activation& after) {
        return training ? batch_norm_train(in[0], in[1], in[2], 1e-3, moments, after)
                        : batch_norm_eval(in[0], in[1], in[2], mean, variance, 1e-3, after);
      };
      const std::vector<Tensor> joined = derivatives(normed(f), in),
                                apart = derivatives(activate(normed({}), f), in);
      ASSERT_EQ(joined.size(), apart.size());
      for (std::size_t k = 0; k < joined.size(); ++k)
        for (Index i = 0; i < joined[k].size(); ++i)
          ASSERT_NEAR(joined[k].data()[i], apart[k].data()[i], tolerance(400))
              << name_of(f.kind) << (training ? " training, " : " evaluation, ") << "result " << k
              << " value " << i;
    }
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
