// batch_norm_test.cpp: per-channel statistics and affine maps against loops in float64.
#include "framework/kernels/batch_norm.h"

#include <gtest/gtest.h>

#include "framework/core/parallel.h"
#include "tests/kernels/each_level.h"
#include "tests/support/arrays.h"
#include "tests/support/precision.h"

namespace espalier::test {
namespace {

using Values = std::vector<Real>;

struct Extent {
  Index rows, channels;
  Index size() const { return rows * channels; }
};
/// One chunk and several, full vectors and remainders, fewer rows than one vector has lanes.
constexpr Extent extents[] = {{8192, 16}, {2048, 32}, {513, 64}, {1, 5},
                              {3, 1},     {40000, 1}, {700, 10}, {333, 83}};

template <class Check>
void for_each_extent(Check check) {
  for (const Extent& e : extents)
    for_each_level([&] {
      SCOPED_TRACE(testing::Message() << e.rows << " rows, " << e.channels << " channels");
      check(e);
    });
}

/// Both sides sum in float64 whatever Real is: one rounding to Real, and float64's own error over the rows.
double float64_bound(const Extent& e, double magnitude) {
  return tolerance(magnitude) + 1e-15 * static_cast<double>(e.rows) * magnitude;
}

/// Mean and variance in two passes of float64.
void naive_moments(const Extent& e, const Values& x, Values& mean, Values& variance) {
  mean = variance = Values(static_cast<std::size_t>(e.channels));
  for (Index c = 0; c < e.channels; ++c) {
    double sum = 0, square = 0;
    const auto value = [&](Index r) {
      return static_cast<double>(x[static_cast<std::size_t>(r * e.channels + c)]);
    };
    for (Index r = 0; r < e.rows; ++r) sum += value(r);
    const double m = sum / static_cast<double>(e.rows);
    for (Index r = 0; r < e.rows; ++r) square += (value(r) - m) * (value(r) - m);
    mean[static_cast<std::size_t>(c)] = static_cast<Real>(m);
    variance[static_cast<std::size_t>(c)] = static_cast<Real>(square / static_cast<double>(e.rows));
  }
}

TEST(ChannelMoments, AreMeanAndBiasedVariance) {
  for_each_extent([](const Extent& e) {
    const Values x = normal_values(e.size(), 1);
    Values expected_mean, expected_variance, mean = poisoned(e.channels), variance = poisoned(e.channels);
    naive_moments(e, x, expected_mean, expected_variance);
    kernels::channel_moments(e.rows, e.channels, x.data(), mean.data(), variance.data());
    EXPECT_LT(largest_difference(mean, expected_mean), float64_bound(e, 1));
    EXPECT_LT(largest_difference(variance, expected_variance), float64_bound(e, 1));
  });
}

// With E[x^2] - mean^2 in float32 nothing would be left of a variance of 1 beside a mean of 10,000.
TEST(ChannelMoments, KeepTheVarianceOfALargeMean) {
  for_each_extent([](const Extent& e) {
    Values x = normal_values(e.size(), 1);
    for (Real& v : x) v += 10000;
    Values expected_mean, expected_variance, mean = poisoned(e.channels), variance = poisoned(e.channels);
    naive_moments(e, x, expected_mean, expected_variance);
    kernels::channel_moments(e.rows, e.channels, x.data(), mean.data(), variance.data());
    EXPECT_LT(largest_difference(mean, expected_mean), float64_bound(e, 10000));
    EXPECT_LT(largest_difference(variance, expected_variance), float64_bound(e, 2));
  });
}

TEST(ChannelMoments, AConstantHasNoVariance) {
  for_each_extent([](const Extent& e) {
    const Values x(static_cast<std::size_t>(e.size()), Real(0.1));
    Values mean = poisoned(e.channels), variance = poisoned(e.channels);
    kernels::channel_moments(e.rows, e.channels, x.data(), mean.data(), variance.data());
    EXPECT_EQ(mean, Values(mean.size(), Real(0.1)));
    EXPECT_EQ(variance, Values(mean.size(), Real(0)));
  });
}

TEST(ChannelSums, AddUpRowsAndProducts) {
  for_each_extent([](const Extent& e) {
    const Values x = normal_values(e.size(), 1), z = normal_values(e.size(), 2);
    std::vector<double> s(static_cast<std::size_t>(e.channels)), q(s);
    for (std::size_t k = 0; k < x.size(); ++k) {
      s[k % s.size()] += static_cast<double>(x[k]);
      q[k % s.size()] += static_cast<double>(x[k]) * static_cast<double>(z[k]);
    }
    Values sum = poisoned(e.channels), product = poisoned(e.channels), sum_only = poisoned(e.channels);
    kernels::channel_sums(e.rows, e.channels, x.data(), z.data(), sum.data(), product.data());
    kernels::channel_sums(e.rows, e.channels, x.data(), nullptr, sum_only.data(), nullptr);
    const double size = 4 * std::sqrt(static_cast<double>(e.rows));
    EXPECT_LT(largest_difference(sum, Values(s.begin(), s.end())), float64_bound(e, size));
    EXPECT_LT(largest_difference(product, Values(q.begin(), q.end())), float64_bound(e, size));
    EXPECT_EQ(sum, sum_only);
  });
}

TEST(ChannelAffine, ScalesShiftsAddsRectifies) {
  for_each_extent([](const Extent& e) {
    const Values x = normal_values(e.size(), 1), residual = normal_values(e.size(), 2);
    const Values scale = normal_values(e.channels, 3), shift = normal_values(e.channels, 4);
    for (const bool with_add : {false, true})
      for (const bool relu : {false, true}) {
        Values expected(x.size()), y = poisoned(e.size());
        for (std::size_t k = 0; k < x.size(); ++k) {
          const std::size_t c = k % scale.size();
          const Real v = x[k] * scale[c] + shift[c] + (with_add ? residual[k] : Real(0));
          expected[k] = relu ? std::max(v, Real(0)) : v;
        }
        const Real* add = with_add ? residual.data() : nullptr;
        kernels::channel_affine(e.rows, e.channels, x.data(), scale.data(), shift.data(), add, relu,
                                y.data());
        EXPECT_LT(largest_difference(y, expected), tolerance(8)) << "add " << with_add << " relu " << relu;
        Values in_place = x;
        kernels::channel_affine(e.rows, e.channels, in_place.data(), scale.data(), shift.data(), add, relu,
                                in_place.data());
        EXPECT_TRUE(same_bits(in_place, y));
      }
  });
}

TEST(BatchNormInputGrad, IsItsFormula) {
  for_each_extent([](const Extent& e) {
    const Values x = normal_values(e.size(), 1), dy = normal_values(e.size(), 2);
    const Values gamma = normal_values(e.channels, 3), mean = normal_values(e.channels, 4);
    const Values inv = normal_values(e.channels, 5), m1 = normal_values(e.channels, 6),
                 m2 = normal_values(e.channels, 7);
    Values expected(x.size()), dx = poisoned(e.size());
    for (std::size_t k = 0; k < x.size(); ++k) {
      const std::size_t c = k % gamma.size();
      expected[k] = gamma[c] * inv[c] * (dy[k] - m1[c] - (x[k] - mean[c]) * inv[c] * m2[c]);
    }
    kernels::batch_norm_input_grad(e.rows, e.channels, x.data(), dy.data(), gamma.data(), mean.data(),
                                   inv.data(), m1.data(), m2.data(), dx.data());
    EXPECT_LT(largest_difference(dx, expected), tolerance(256));  // products of five normals
    Values in_place = dy;
    kernels::batch_norm_input_grad(e.rows, e.channels, x.data(), in_place.data(), gamma.data(), mean.data(),
                                   inv.data(), m1.data(), m2.data(), in_place.data());
    EXPECT_TRUE(same_bits(in_place, dx));
  });
}

TEST(Channels, SameBitsOnOneAndTwoThreads) {
  const Extent e{9001, 48};
  const Values x = normal_values(e.size(), 1), z = normal_values(e.size(), 2);
  std::vector<Values> results[2];
  for (const int count : {1, 2}) {
    set_threads(count);
    Values mean = poisoned(e.channels), variance = mean, sum = mean, product = mean;
    kernels::channel_moments(e.rows, e.channels, x.data(), mean.data(), variance.data());
    kernels::channel_sums(e.rows, e.channels, x.data(), z.data(), sum.data(), product.data());
    results[count - 1] = {mean, variance, sum, product};
  }
  for (std::size_t k = 0; k < results[0].size(); ++k)
    EXPECT_TRUE(same_bits(results[0][k], results[1][k])) << k;
}

}  // namespace
}  // namespace espalier::test
