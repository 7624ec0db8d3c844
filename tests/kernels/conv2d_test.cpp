// conv2d_test.cpp: every fast convolution against its six-loop definition, over the shapes of our networks
// and the shapes that break tilings.
#include "framework/kernels/conv2d.h"

#include <gtest/gtest.h>

#include "framework/core/parallel.h"
#include "tests/kernels/conv_cases.h"
#include "tests/support/arrays.h"
#include "tests/support/precision.h"

namespace espalier::test {
namespace {

class Conv2d : public testing::TestWithParam<ConvCase> {
 protected:
  const ConvGeometry g = GetParam().geometry();
  const Index n = GetParam().n;
  const std::vector<Real> x = normal_values(g.input(n).size(), 1), w = normal_values(g.weight().size(), 2);
  const std::vector<Real> bias = normal_values(g.out_c, 3), dy = normal_values(g.output(n).size(), 4);

  std::vector<Real> forward(bool with_bias = false, bool relu = false) const {
    auto y = poisoned(g.output(n).size());
    kernels::conv2d(g, n, x.data(), w.data(), with_bias ? bias.data() : nullptr, relu, y.data());
    return y;
  }
  std::vector<Real> input_grad() const {
    auto dx = poisoned(g.input(n).size());
    kernels::conv2d_input_grad(g, n, dy.data(), w.data(), dx.data());
    return dx;
  }
  std::vector<Real> weight_grad() const {
    auto dw = poisoned(g.weight().size());
    kernels::conv2d_weight_grad(g, n, x.data(), dy.data(), dw.data());
    return dw;
  }
  static double bound(Index terms) { return sum_tolerance(static_cast<double>(terms)); }
  Index taps() const { return g.kernel_h * g.kernel_w; }
};

TEST_P(Conv2d, ForwardIsItsDefinition) {
  for (const bool with_bias : {false, true})
    for (const bool relu : {false, true}) {
      std::vector<Real> expected(static_cast<std::size_t>(g.output(n).size()));
      kernels::conv2d_reference(g, n, x.data(), w.data(), with_bias ? bias.data() : nullptr, relu,
                                expected.data());
      EXPECT_LT(largest_difference(forward(with_bias, relu), expected), bound(taps() * g.in_c / g.groups))
          << "bias " << with_bias << " relu " << relu;
    }
}

TEST_P(Conv2d, InputGradientIsItsDefinition) {
  std::vector<Real> expected(x.size());
  kernels::conv2d_input_grad_reference(g, n, dy.data(), w.data(), expected.data());
  EXPECT_LT(largest_difference(input_grad(), expected), bound(taps() * g.out_c / g.groups));
}

TEST_P(Conv2d, WeightGradientIsItsDefinition) {
  std::vector<Real> expected(w.size());
  kernels::conv2d_weight_grad_reference(g, n, x.data(), dy.data(), expected.data());
  EXPECT_LT(largest_difference(weight_grad(), expected), bound(n * g.out_h * g.out_w));
}

// <conv(x, w), dy> = <x, input_grad(dy, w)> = <w, weight_grad(x, dy)>: exact up to rounding, no step size.
TEST_P(Conv2d, GradientsAreAdjoints) {
  const double forward_side = inner_product(forward(), dy);
  const double size = std::sqrt(inner_product(forward(), forward()) * inner_product(dy, dy));
  const double allowed = size * 64 * unit;
  EXPECT_NEAR(inner_product(x, input_grad()), forward_side, allowed);
  EXPECT_NEAR(inner_product(w, weight_grad()), forward_side, allowed);
}

TEST_P(Conv2d, WeightGradientOfABatchIsTheSumOverItsExamples) {
  std::vector<double> sum(w.size());
  for (Index e = 0; e < n; ++e) {
    auto dw = poisoned(g.weight().size());
    kernels::conv2d_weight_grad(g, 1, x.data() + e * g.input(1).size(), dy.data() + e * g.output(1).size(),
                                dw.data());
    for (std::size_t k = 0; k < dw.size(); ++k) sum[k] += static_cast<double>(dw[k]);
  }
  const std::vector<Real> expected(sum.begin(), sum.end());
  EXPECT_LT(largest_difference(weight_grad(), expected), bound(n * g.out_h * g.out_w));
}

TEST_P(Conv2d, SameBitsOnOneAndTwoThreads) {
  set_threads(1);
  const auto y = forward(true, true), dx = input_grad(), dw = weight_grad();
  set_threads(2);
  EXPECT_TRUE(same_bits(forward(true, true), y));
  EXPECT_TRUE(same_bits(input_grad(), dx));
  EXPECT_TRUE(same_bits(weight_grad(), dw));
}

INSTANTIATE_TEST_SUITE_P(Shapes, Conv2d, testing::ValuesIn(conv_cases()),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace espalier::test
