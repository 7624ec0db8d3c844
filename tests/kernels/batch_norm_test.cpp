// batch_norm_test.cpp: per-channel statistics and affine maps against loops in float64.
#include "framework/kernels/batch_norm.h"

#include <gtest/gtest.h>

#include <limits>

#include "framework/core/parallel.h"
#include "tests/kernels/each_instruction_set.h"
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
    for_each_instruction_set([&] {
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
    const auto value = [&](Index r) { return static_cast<double>(x[r * e.channels + c]); };
    for (Index r = 0; r < e.rows; ++r) sum += value(r);
    const double m = sum / static_cast<double>(e.rows);
    for (Index r = 0; r < e.rows; ++r) square += (value(r) - m) * (value(r) - m);
    mean[c] = static_cast<Real>(m);
    variance[c] = static_cast<Real>(square / static_cast<double>(e.rows));
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
    std::vector<double> s(e.channels), q(s);
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
    const kernels::BatchNormChannels at{gamma.data(), mean.data(), inv.data()};
    kernels::batch_norm_input_grad(e.rows, e.channels, x.data(), dy.data(), at, m1.data(), m2.data(),
                                   dx.data());
    EXPECT_LT(largest_difference(dx, expected), tolerance(256));  // products of five normals
    Values in_place = dy;
    kernels::batch_norm_input_grad(e.rows, e.channels, x.data(), in_place.data(), at, m1.data(), m2.data(),
                                   in_place.data());
    EXPECT_TRUE(same_bits(in_place, dx));
  });
}

// A ReLU after the batch norm is a dy that is 0 where the value before the ReLU is not positive; a clip one that is 0
// at and outside its bounds.
TEST(BatchNormGradients, OfAReluOrClipThatFollowsSeeOnlyTheGradientBehindIt) {
  for (const kernels::Finish& finish :
       {kernels::Finish(true), kernels::Finish(kernels::Finish::Kind::clip, Real(-0.5), 1)})
    for_each_extent([&](const Extent& e) {
      const bool relu = finish.kind == kernels::Finish::Kind::relu;
      const Real low = relu ? Real(0) : finish.a,
                 high = relu ? std::numeric_limits<Real>::infinity() : finish.b;
      const Values x = normal_values(e.size(), 1), dy = normal_values(e.size(), 2);
      const Values gamma = normal_values(e.channels, 3), mean = normal_values(e.channels, 4);
      const Values inv = normal_values(e.channels, 5), scale = normal_values(e.channels, 6),
                   shift = normal_values(e.channels, 7);
      const kernels::BatchNormChannels plain{gamma.data(), mean.data(), inv.data()};
      const kernels::BatchNormChannels with_finish{gamma.data(), mean.data(),  inv.data(),
                                                   scale.data(), shift.data(), finish};
      Values y = poisoned(e.size()), masked = dy;
      kernels::channel_affine(e.rows, e.channels, x.data(), scale.data(), shift.data(), nullptr, finish,
                              y.data());
      for (std::size_t k = 0; k < y.size(); ++k)
        if (!(y[k] > low && y[k] < high)) masked[k] = 0;
      Values expected[3], got[3];
      for (Values& v : {std::ref(expected[0]), std::ref(expected[1]), std::ref(got[0]), std::ref(got[1])})
        v = poisoned(e.channels);
      expected[2] = got[2] = poisoned(e.size());
      kernels::batch_norm_means(e.rows, e.channels, x.data(), masked.data(), plain, expected[0].data(),
                                expected[1].data());
      kernels::batch_norm_means(e.rows, e.channels, x.data(), dy.data(), with_finish, got[0].data(),
                                got[1].data());
      kernels::batch_norm_input_grad(e.rows, e.channels, x.data(), masked.data(), plain, expected[0].data(),
                                     expected[1].data(), expected[2].data());
      kernels::batch_norm_input_grad(e.rows, e.channels, x.data(), dy.data(), with_finish, got[0].data(),
                                     got[1].data(), got[2].data());
      for (const int k : {0, 1, 2}) EXPECT_TRUE(same_bits(got[k], expected[k])) << k;
      kernels::channel_scale_within(e.rows, e.channels, low, high, dy.data(), y.data(), gamma.data(),
                                    got[2].data());
      for (std::size_t k = 0; k < y.size(); ++k) ASSERT_EQ(got[2][k], masked[k] * gamma[k % gamma.size()]);
    });
}

TEST(BatchNormMeans, AreTheMeansOfDyAndDyTimesStandardisedX) {
  for_each_extent([](const Extent& e) {
    const Values x = normal_values(e.size(), 1), dy = normal_values(e.size(), 2);
    const Values mean = normal_values(e.channels, 4), inv = normal_values(e.channels, 5);
    std::vector<double> first(mean.size()), second(mean.size());
    for (std::size_t k = 0; k < x.size(); ++k) {
      const std::size_t c = k % mean.size();
      first[c] += static_cast<double>(dy[k]) / static_cast<double>(e.rows);
      second[c] += static_cast<double>(dy[k]) * (static_cast<double>(x[k]) - static_cast<double>(mean[c])) *
                   static_cast<double>(inv[c]) / static_cast<double>(e.rows);
    }
    Values mean_dy = poisoned(e.channels), mean_dy_xhat = mean_dy;
    kernels::batch_norm_means(e.rows, e.channels, x.data(), dy.data(), {inv.data(), mean.data(), inv.data()},
                              mean_dy.data(), mean_dy_xhat.data());
    EXPECT_LT(largest_difference(mean_dy, Values(first.begin(), first.end())), float64_bound(e, 1));
    EXPECT_LT(largest_difference(mean_dy_xhat, Values(second.begin(), second.end())), float64_bound(e, 8));
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
