// forward_test.cpp: the values of layers and arithmetic, each against a plain loop or a formula written out
// here. Activations and losses are in activation_test.cpp.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "framework/ops/ops.h"
#include "tests/support/check_op.h"

namespace espalier::test {
namespace {

Var normal(const Shape& shape, std::uint64_t seed) { return Var(fill_tensor(shape, Fill::normal, seed)); }
double at(const Var& v, Index i) { return static_cast<double>(v.value().data()[i]); }
/// Element of an image or weight [a, b, c, d].
double at(const Var& v, Index a, Index b, Index c, Index d) {
  const Shape& s = v.shape();
  return at(v, ((a * s[1] + b) * s[2] + c) * s[3] + d);
}

TEST(Forward, Conv2dIsItsDefinition) {
  struct Case {
    Shape x, w;
    Conv2dSpec spec;
    bool bias;
  };
  const Case cases[] = {
      {{2, 6, 5, 3}, {4, 3, 3, 3}, {}, true},
      {{2, 7, 8, 4}, {6, 3, 2, 2}, {.stride = 2, .pad = 1, .groups = 2}, true},
      {{1, 9, 9, 2}, {3, 3, 3, 2}, {.stride = 1, .pad = 2, .dilation = 2, .relu = true}, false},
      {{2, 5, 5, 3}, {3, 3, 3, 1}, {.pad = 1, .groups = 3, .relu = true}, true},
      {{3, 4, 4, 5}, {2, 1, 1, 5}, {.stride = 2}, false},
  };
  for (const Case& c : cases) {
    const Var x = normal(c.x, 1), w = normal(c.w, 2), b = c.bias ? normal({c.w[0]}, 3) : Var();
    const Var y = conv2d(x, w, b, c.spec);
    const Index out_per_group = c.w[0] / c.spec.groups;
    for (Index n = 0; n < y.shape()[0]; ++n)
      for (Index p = 0; p < y.shape()[1]; ++p)
        for (Index r = 0; r < y.shape()[2]; ++r)
          for (Index o = 0; o < y.shape()[3]; ++o) {
            double sum = c.bias ? at(b, o) : 0;
            for (Index ky = 0; ky < c.w[1]; ++ky)
              for (Index kx = 0; kx < c.w[2]; ++kx)
                for (Index i = 0; i < c.w[3]; ++i) {
                  const Index h = p * c.spec.stride.h - c.spec.pad.top + ky * c.spec.dilation.h;
                  const Index v = r * c.spec.stride.w - c.spec.pad.left + kx * c.spec.dilation.w;
                  if (h < 0 || h >= c.x[1] || v < 0 || v >= c.x[2]) continue;
                  sum += at(x, n, h, v, o / out_per_group * c.w[3] + i) * at(w, o, ky, kx, i);
                }
            if (c.spec.relu) sum = std::max(sum, 0.0);
            ASSERT_NEAR(at(y, n, p, r, o), sum, sum_tolerance(50)) << c.x.str() << " * " << c.w.str();
          }
  }
}

TEST(Forward, Conv2dExtentsFollowTheUsualFormula) {
  // floor((in + 2 pad - dilation (kernel - 1) - 1) / stride) + 1, as in PyTorch.
  const auto extent = [](Index in, Index kernel, const Conv2dSpec& s) {
    return conv_geometry("test", {1, in, in, 1}, {1, kernel, kernel, 1}, s).out_h;
  };
  EXPECT_EQ(extent(32, 5, {.pad = 2}), 32);
  EXPECT_EQ(extent(32, 3, {.stride = 2, .pad = 1}), 16);
  EXPECT_EQ(extent(31, 3, {.stride = 2, .pad = 1}), 16);
  EXPECT_EQ(extent(7, 3, {.dilation = 2}), 3);
  EXPECT_EQ(extent(5, 5, {}), 1);
}

TEST(Forward, LinearIsXTimesWTransposedPlusBias) {
  const Var x = normal({3, 7}, 1), w = normal({5, 7}, 2), b = normal({5}, 3);
  const Var plain = linear(x, w, Var()), with_bias = linear(x, w, b), rectified = linear(x, w, b, true);
  for (Index n = 0; n < 3; ++n)
    for (Index o = 0; o < 5; ++o) {
      double sum = 0;
      for (Index i = 0; i < 7; ++i) sum += at(x, n * 7 + i) * at(w, o * 7 + i);
      EXPECT_NEAR(at(plain, n * 5 + o), sum, sum_tolerance(7));
      EXPECT_NEAR(at(with_bias, n * 5 + o), sum + at(b, o), sum_tolerance(8));
      EXPECT_NEAR(at(rectified, n * 5 + o), std::max(sum + at(b, o), 0.0), sum_tolerance(8));
    }
}

TEST(Forward, MatmulInAllFourTransposeCombinations) {
  for (const bool ta : {false, true})
    for (const bool tb : {false, true}) {
      const Var a = normal(ta ? Shape{4, 3} : Shape{3, 4}, 1), b = normal(tb ? Shape{5, 4} : Shape{4, 5}, 2);
      const Var y = matmul(a, b, ta, tb);
      ASSERT_EQ(y.shape(), (Shape{3, 5}));
      for (Index i = 0; i < 3; ++i)
        for (Index j = 0; j < 5; ++j) {
          double sum = 0;
          for (Index k = 0; k < 4; ++k)
            sum += at(a, ta ? k * 3 + i : i * 4 + k) * at(b, tb ? j * 4 + k : k * 5 + j);
          EXPECT_NEAR(at(y, i * 5 + j), sum, sum_tolerance(4));
        }
    }
}

TEST(Forward, PoolingOverlapsAndRoundsDown) {
  const Var x = normal({2, 7, 6, 3}, 1);
  for (const Index kernel : {2, 3})
    for (const Index stride : {1, 2, 3}) {
      const Var top = max_pool(x, {kernel, stride}), mean = average_pool(x, {kernel, stride});
      const Var rectified = max_pool(x, {kernel, stride}, true);
      ASSERT_EQ(top.shape(), (Shape{2, (7 - kernel) / stride + 1, (6 - kernel) / stride + 1, 3}));
      for (Index n = 0; n < 2; ++n)
        for (Index p = 0; p < top.shape()[1]; ++p)
          for (Index r = 0; r < top.shape()[2]; ++r)
            for (Index c = 0; c < 3; ++c) {
              double largest = -std::numeric_limits<double>::infinity(), sum = 0;
              for (Index i = 0; i < kernel; ++i)
                for (Index j = 0; j < kernel; ++j) {
                  const double v = at(x, n, p * stride + i, r * stride + j, c);
                  largest = std::max(largest, v);
                  sum += v;
                }
              EXPECT_EQ(at(top, n, p, r, c), largest);
              EXPECT_EQ(at(rectified, n, p, r, c), std::max(largest, 0.0));
              EXPECT_NEAR(at(mean, n, p, r, c), sum / static_cast<double>(kernel * kernel), tolerance(4));
            }
    }
}

TEST(Forward, MaxPoolGivesTheGradientToTheFirstOfEquals) {
  const Var x(Tensor::full({1, 2, 2, 1}, 5), true);
  const Var g = grad(max_pool(x, {2, 2}), std::span(&x, 1))[0];
  EXPECT_EQ(at(g, 0), 1);
  for (Index i = 1; i < 4; ++i) EXPECT_EQ(at(g, i), 0);
}

TEST(Forward, GlobalAveragePool) {
  const Var x = normal({2, 3, 4, 5}, 1), y = global_average_pool(x);
  ASSERT_EQ(y.shape(), (Shape{2, 5}));
  for (Index n = 0; n < 2; ++n)
    for (Index c = 0; c < 5; ++c) {
      double sum = 0;
      for (Index h = 0; h < 3; ++h)
        for (Index w = 0; w < 4; ++w) sum += at(x, n, h, w, c);
      EXPECT_NEAR(at(y, n * 5 + c), sum / 12, tolerance(4));
    }
}

TEST(Forward, BatchNormInBothModes) {
  const Var x = normal({4, 3, 2, 2}, 1), gamma = normal({2}, 2), beta = normal({2}, 3);
  constexpr double epsilon = 1e-3;
  BatchMoments moments;
  const Var train = batch_norm_train(x, gamma, beta, epsilon, moments);
  const Var eval = batch_norm_eval(x, gamma, beta, moments.mean, moments.variance, epsilon);
  const Var rectified =
      batch_norm_eval(x, gamma, beta, moments.mean, moments.variance, epsilon, Activation::Kind::relu);
  for (Index c = 0; c < 2; ++c) {
    double mean = 0, variance = 0;
    for (Index r = 0; r < 24; ++r) mean += at(x, r * 2 + c) / 24;
    for (Index r = 0; r < 24; ++r) variance += (at(x, r * 2 + c) - mean) * (at(x, r * 2 + c) - mean) / 24;
    EXPECT_NEAR(static_cast<double>(moments.mean.data()[c]), mean, tolerance());
    EXPECT_NEAR(static_cast<double>(moments.variance.data()[c]), variance, tolerance(4))
        << "divided by n, not n - 1";
    for (Index r = 0; r < 24; ++r) {
      const double y = at(gamma, c) * (at(x, r * 2 + c) - mean) / std::sqrt(variance + epsilon) + at(beta, c);
      EXPECT_NEAR(at(train, r * 2 + c), y, tolerance(8));
      EXPECT_NEAR(at(eval, r * 2 + c), y, tolerance(8)) << "with the same statistics both modes agree";
      EXPECT_NEAR(at(rectified, r * 2 + c), std::max(y, 0.0), tolerance(8));
    }
  }
}

TEST(Forward, BatchNormKeepsTheStatisticsItRanWith) {
  // Running statistics may be overwritten between the forward and the reverse pass.
  const Var x = normal({4, 2}, 1), gamma = Var::parameter(fill_tensor({2}, Fill::normal, 2), 0);
  const Var beta(Tensor::zeros({2}));
  Tensor mean = Tensor::full({2}, Real(0.5)), variance = Tensor::full({2}, 2);
  const Var untouched = batch_norm_eval(x, gamma, beta, mean.clone(), variance.clone(), 1e-3);
  const Var y = batch_norm_eval(x, gamma, beta, mean, variance, 1e-3);
  for (Real& v : mean.values()) v = 100;
  for (Real& v : variance.values()) v = 100;
  const Var expected = grad(untouched, std::span(&gamma, 1))[0];
  EXPECT_EQ(distance(grad(y, std::span(&gamma, 1))[0].value(), expected.value()), 0);
}

TEST(Forward, FlattenIsPyTorchsOrderOfColumns) {
  // One image of 2 rows, 2 columns, 3 channels;
  // value = 100 channel + 10 row + column. Channel-major when flat.
  std::vector<Real> image;
  for (int h = 0; h < 2; ++h)
    for (int w = 0; w < 2; ++w)
      for (int c = 0; c < 3; ++c) image.push_back(static_cast<Real>(100 * c + 10 * h + w));
  const Var flat = flatten(Var(Tensor::from({1, 2, 2, 3}, image)));
  const double expected[] = {0, 1, 10, 11, 100, 101, 110, 111, 200, 201, 210, 211};
  ASSERT_EQ(flat.shape(), (Shape{1, 12}));
  for (Index i = 0; i < 12; ++i) EXPECT_EQ(at(flat, i), expected[i]);
  EXPECT_EQ(distance(unflatten(flat, {1, 2, 2, 3}).value(), Tensor::from({1, 2, 2, 3}, image)), 0);
}

TEST(Forward, Arithmetic) {
  const Var a = normal({3, 4}, 1), b = normal({3, 4}, 2), c = normal({4}, 3), d = normal({4}, 4);
  const Var positive(fill_tensor({3, 4}, Fill::positive, 5));
  double all = 0, product = 0;
  for (Index i = 0; i < 12; ++i) {
    EXPECT_NEAR(at(add(a, b), i), at(a, i) + at(b, i), tolerance(4));
    EXPECT_NEAR(at(subtract(a, b), i), at(a, i) - at(b, i), tolerance(4));
    EXPECT_NEAR(at(multiply(a, b), i), at(a, i) * at(b, i), tolerance(4));
    EXPECT_NEAR(at(scale(a, Real(-2.5)), i), -2.5 * at(a, i), tolerance(8));
    EXPECT_NEAR(at(reciprocal_sqrt(positive), i), 1 / std::sqrt(at(positive, i)), tolerance(2));
    EXPECT_NEAR(at(channel_affine(a, c, d), i), at(a, i) * at(c, i % 4) + at(d, i % 4), tolerance(8));
    EXPECT_NEAR(at(channel_affine(a, c, Var()), i), at(a, i) * at(c, i % 4), tolerance(8));
    EXPECT_EQ(at(spread_channels(c, {3, 4}), i), at(c, i % 4));
    EXPECT_EQ(at(reshape(a, {2, 6}), i), at(a, i));
    EXPECT_EQ(at(relu(a), i), std::max(at(a, i), 0.0));
    EXPECT_EQ(at(keep_positive(a, b), i), at(b, i) > 0 ? at(a, i) : 0);
    all += at(a, i);
    product += at(a, i) * at(b, i);
  }
  EXPECT_NEAR(at(sum_all(a), 0), all, sum_tolerance(12));
  EXPECT_NEAR(at(dot(a, b), 0), product, sum_tolerance(12));
  for (Index k = 0; k < 4; ++k)
    EXPECT_NEAR(at(sum_to_channels(a), k), at(a, k) + at(a, 4 + k) + at(a, 8 + k), sum_tolerance(3));
  for (Index n = 0; n < 3; ++n) {
    double row = 0;
    for (Index k = 0; k < 4; ++k) row += at(a, n * 4 + k);
    EXPECT_NEAR(at(sum_rows(a), n), row, sum_tolerance(4));
    EXPECT_EQ(at(spread_rows(sum_rows(a), 2), n * 2 + 1), at(sum_rows(a), n));
  }
  EXPECT_EQ(at(spread_all(Var(Tensor::full({1}, 7)), {2, 2}), 3), 7);
}

}  // namespace
}  // namespace espalier::test
