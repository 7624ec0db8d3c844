// Lesson 1: the chain rule, three times over.
//
// A network is a chain of functions; its gradient is the product of their Jacobians. Reverse mode multiplies
// from the output's side, so it only ever holds a vector: one pass gives the slope in every weight at once.
// The same rules, being written in ops, can be differentiated again.
//
// Read from top to bottom; every claim is an EXPECT.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "framework/autograd/arithmetic.h"
#include "framework/autograd/backward.h"
#include "framework/autograd/second_order.h"
#include "framework/ops/ops.h"
#include "tests/support/precision.h"

namespace espalier::test {
namespace {

Var scalar(Real v) { return Var(Tensor::full({1}, v), true); }
double number(const Var& v) { return static_cast<double>(*v.value().data()); }
Var slope(const Var& y, const Var& x, bool differentiable = false) {
  return grad(y, std::span(&x, 1), {.create_graph = differentiable})[0];
}

TEST(Lesson1ChainRule, ByHandAndByMachine) {
  // y = w2 relu(w1 x), by hand: with h = w1 x > 0,  dy/dw2 = h,  dy/dw1 = w2 x.
  const Var x = scalar(3), w1 = scalar(Real(0.5)), w2 = scalar(-2);
  const Var h = relu(multiply(w1, x));
  const Var y = multiply(w2, h);
  EXPECT_EQ(number(y), -3);
  EXPECT_EQ(number(slope(y, w2)), 1.5);
  EXPECT_EQ(number(slope(y, w1)), -2 * 3);

  // A unit that is off passes nothing on: with w1 = -0.5 nothing that happens to w1 nearby changes y.
  const Var off = scalar(Real(-0.5));
  const Var silent = multiply(w2, relu(multiply(off, x)));
  EXPECT_EQ(number(slope(silent, off)), 0);
}

TEST(Lesson1ChainRule, PathsAdd) {
  // x reaches y by two paths: y = x * x^2. Along the first the slope is x^2, along the second x * 2x:
  // together 3 x^2.
  const Var x = scalar(2);
  const Var square = multiply(x, x);
  EXPECT_EQ(number(slope(multiply(x, square), x)), 12);
}

TEST(Lesson1ChainRule, ASlopeIsWhatASmallStepDoes) {
  // Three inputs, two classes. The slope that reverse mode claims along a direction d must be what the loss
  // does when the weights move a little along d, (l(w + h d) - l(w - h d)) / 2h, up to the h^2 that a
  // straight line misses.
  const std::vector<Real> values{Real(0.2), Real(-0.4), 1, Real(0.7), Real(0.1), Real(-0.3)};
  const std::vector<Real> step{1, -2, Real(0.5), 0, 1, -1}, input{1, 2, Real(-0.5)};
  const std::int32_t label[] = {1};
  const auto loss = [&](double h) {
    std::vector<Real> w = values;
    for (std::size_t i = 0; i < w.size(); ++i) w[i] += static_cast<Real>(h) * step[i];
    const Var weight(Tensor::from({2, 3}, w), true);
    return std::pair{cross_entropy(linear(Var(Tensor::from({1, 3}, input)), weight, Var()), label), weight};
  };
  const auto [here, weight] = loss(0);
  const Var g = slope(here, weight);
  double claimed = 0;
  for (std::size_t i = 0; i < step.size(); ++i)
    claimed += static_cast<double>(g.value().data()[i]) * static_cast<double>(step[i]);
  const double h = 0.01, measured = (number(loss(h).first) - number(loss(-h).first)) / (2 * h);
  EXPECT_GT(std::abs(claimed), 0.1);
  EXPECT_NEAR(measured, claimed, 10 * h * h + 10 * unit / h);
}

TEST(Lesson1ChainRule, SoftmaxAndCrossEntropyMeetInASimpleSlope) {
  // d(-log softmax(z)_y) / dz = p - onehot(y): what the network believed, minus what was true.
  const Real logits[] = {1, 3, 2};
  const Var z(Tensor::from({1, 3}, logits), true);
  const std::int32_t label[] = {2};
  const Var g = slope(cross_entropy(z, label), z), p = softmax(z);
  double sum = 0;
  for (Index k = 0; k < 3; ++k) {
    const double believed = static_cast<double>(p.value().data()[k]);
    EXPECT_NEAR(static_cast<double>(g.value().data()[k]), believed - (k == 2 ? 1 : 0), tolerance());
    sum += static_cast<double>(g.value().data()[k]);
  }
  EXPECT_NEAR(sum, 0, tolerance()) << "adding a constant to all logits changes nothing";
}

TEST(Lesson1ChainRule, TheSlopeOfTheSlopeIsTheCurvature) {
  // f(x) = x^4: f' = 4 x^3, f'' = 12 x^2. Nothing new is needed: grad() of what grad() returned.
  const Var x = scalar(3);
  const Var square = multiply(x, x), f = multiply(square, square);
  const Var first = slope(f, x, true);
  EXPECT_EQ(number(first), 108);
  EXPECT_EQ(number(slope(first, x)), 108);  // 12 * 9: a coincidence of x = 3

  // For many weights the second slope is a matrix H. A product H v costs no more than another gradient,
  // because H v = d <f', v> / dx, and <f', v> is a scalar.
  const Real at[] = {1, 2, 3}, v[] = {1, 0, -1};
  const Var xs(Tensor::from({3}, at), true);
  const Tensor direction = Tensor::from({3}, v);
  const Var sum_of_cubes = dot(multiply(xs, xs), xs);  // H = diag(6 x)
  const Tensor hv = hessian_vector(sum_of_cubes, std::span(&xs, 1), std::span(&direction, 1))[0];
  EXPECT_EQ(hv.data()[0], 6);
  EXPECT_EQ(hv.data()[1], 0);
  EXPECT_EQ(hv.data()[2], -18);
}

}  // namespace
}  // namespace espalier::test
