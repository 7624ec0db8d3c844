// pool2d_test.cpp: pooling against windows written out, and the adjoints by inner products.
#include "framework/kernels/pool2d.h"

#include <gtest/gtest.h>

#include "framework/core/parallel.h"
#include "tests/kernels/each_instruction_set.h"
#include "tests/support/arrays.h"
#include "tests/support/precision.h"

namespace espalier::test {
namespace {

using Values = std::vector<Real>;

PoolGeometry pool(Index height, Index width, Index channels, Index kernel, Index stride) {
  return {height, width, channels, (height - kernel) / stride + 1, (width - kernel) / stride + 1,
          kernel, stride};
}

/// The networks' windows (3, stride 2), disjoint ones (2, 2), gaps (2, 3), and odd channels and extents.
std::vector<PoolGeometry> geometries() {
  return {pool(32, 32, 32, 3, 2), pool(15, 15, 32, 3, 2), pool(7, 7, 64, 3, 2), pool(24, 24, 6, 2, 2),
          pool(8, 8, 16, 2, 2),   pool(9, 7, 10, 3, 2),   pool(5, 5, 1, 3, 1),  pool(11, 8, 3, 2, 3),
          pool(3, 3, 21, 3, 2),   pool(4, 4, 5, 1, 1)};
}

template <class Check>
void for_each_geometry(Check check) {
  for (const PoolGeometry& g : geometries())
    for (const Index n : {1, 5}) {
      SCOPED_TRACE(fmt::format("{} kernel {} stride {}", g.input(n), g.kernel.h, g.stride.h));
      check(g, n);
    }
}

/// Calls visit(position in y, tap, position in x) for every value of every window, taps in ascending order.
template <class Visit>
void for_each_value(const PoolGeometry& g, Index n, Visit visit) {
  for (Index e = 0; e < n; ++e)
    for (Index p = 0; p < g.out_h; ++p)
      for (Index r = 0; r < g.out_w; ++r)
        for (Index c = 0; c < g.channels; ++c)
          for (Index tap = 0; tap < g.kernel.h * g.kernel.h; ++tap) {
            const Index h = p * g.stride.h + tap / g.kernel.h, w = r * g.stride.h + tap % g.kernel.h;
            visit(static_cast<std::size_t>(((e * g.out_h + p) * g.out_w + r) * g.channels + c), tap,
                  static_cast<std::size_t>(((e * g.in_h + h) * g.in_w + w) * g.channels + c));
          }
}

struct Maximum {
  Values y, which;
};
Maximum maximum(const PoolGeometry& g, Index n, const Values& x, bool relu) {
  Maximum m{poisoned(g.output(n).size()), poisoned(g.output(n).size())};
  kernels::max_pool(g, n, x.data(), relu, m.y.data(), m.which.data());
  return m;
}

TEST(MaxPool, IsTheLargestValueOfEachWindow) {
  for_each_geometry([](const PoolGeometry& g, Index n) {
    const Values x = normal_values(g.input(n).size(), 1);
    Values largest(static_cast<std::size_t>(g.output(n).size()), -std::numeric_limits<Real>::infinity());
    Values winner = poisoned(g.output(n).size());
    for_each_value(g, n, [&](std::size_t out, Index tap, std::size_t in) {
      if (x[in] > largest[out]) largest[out] = x[in], winner[out] = static_cast<Real>(tap);
    });
    for_each_instruction_set([&] {
      const Maximum m = maximum(g, n, x, false);
      EXPECT_EQ(m.y, largest);
      EXPECT_EQ(m.which, winner);
      const Maximum rectified = maximum(g, n, x, true);
      EXPECT_EQ(rectified.which, winner);
      for (std::size_t k = 0; k < largest.size(); ++k)
        ASSERT_EQ(rectified.y[k], std::max(largest[k], Real(0)));
    });
  });
}

TEST(MaxPool, TheFirstOfEqualsWins) {
  for_each_geometry([](const PoolGeometry& g, Index n) {
    for_each_instruction_set([&] {
      const Maximum m = maximum(g, n, Values(static_cast<std::size_t>(g.input(n).size()), Real(-2)), false);
      EXPECT_EQ(m.which, Values(m.which.size(), Real(0)));
    });
  });
}

TEST(MaxPool, GradientGoesToTheWinnersAndAddsUp) {
  for_each_geometry([](const PoolGeometry& g, Index n) {
    const Values x = normal_values(g.input(n).size(), 1), dy = normal_values(g.output(n).size(), 2);
    const Values which = maximum(g, n, x, false).which;
    Values expected(x.size(), Real(0));
    for_each_value(g, n, [&](std::size_t out, Index tap, std::size_t in) {
      if (which[out] == static_cast<Real>(tap)) expected[in] += dy[out];
    });
    for_each_instruction_set([&] {
      Values dx = poisoned(g.input(n).size());
      kernels::max_pool_grad(g, n, dy.data(), which.data(), dx.data());
      EXPECT_LT(largest_difference(dx, expected), tolerance());
    });
  });
}

TEST(MaxPool, GatherReadsTheWinnersAndIsAdjointToTheGradient) {
  for_each_geometry([](const PoolGeometry& g, Index n) {
    const Values x = normal_values(g.input(n).size(), 1), other = normal_values(g.input(n).size(), 3);
    const Values dy = normal_values(g.output(n).size(), 2);
    const Maximum m = maximum(g, n, x, false);
    for_each_instruction_set([&] {
      Values y = poisoned(g.output(n).size()), dx = poisoned(g.input(n).size());
      kernels::max_pool_gather(g, n, x.data(), m.which.data(), y.data());
      EXPECT_EQ(y, m.y);
      kernels::max_pool_gather(g, n, other.data(), m.which.data(), y.data());
      kernels::max_pool_grad(g, n, dy.data(), m.which.data(), dx.data());
      EXPECT_NEAR(inner_product(y, dy), inner_product(other, dx),
                  tolerance(std::sqrt(inner_product(y, y)) * 8));
    });
  });
}

TEST(AveragePool, IsTheMeanOfEachWindow) {
  for_each_geometry([](const PoolGeometry& g, Index n) {
    const Values x = normal_values(g.input(n).size(), 1);
    std::vector<double> sum(g.output(n).size());
    for_each_value(g, n, [&](std::size_t out, Index, std::size_t in) {
      sum[out] += static_cast<double>(x[in]) / static_cast<double>(g.kernel.h * g.kernel.h);
    });
    for_each_instruction_set([&] {
      Values y = poisoned(g.output(n).size());
      kernels::average_pool(g, n, x.data(), y.data());
      EXPECT_LT(largest_difference(y, Values(sum.begin(), sum.end())), tolerance());
    });
  });
}

TEST(AveragePool, GradientIsTheAdjoint) {
  for_each_geometry([](const PoolGeometry& g, Index n) {
    const Values x = normal_values(g.input(n).size(), 1), dy = normal_values(g.output(n).size(), 2);
    for_each_instruction_set([&] {
      Values y = poisoned(g.output(n).size()), dx = poisoned(g.input(n).size());
      kernels::average_pool(g, n, x.data(), y.data());
      kernels::average_pool_grad(g, n, dy.data(), dx.data());
      EXPECT_NEAR(inner_product(y, dy), inner_product(x, dx),
                  tolerance(std::sqrt(inner_product(dy, dy)) * 8));
    });
  });
}

/// Windows that hang over the image or are not square, against sums and maxima written out.
TEST(Pool, OfAnyWindowIsThatOfItsPixelsInTheImage) {
  for (const PoolGeometry& g :
       {PoolGeometry{6, 7, 21, 6, 7, 3, 1, 1}, PoolGeometry{6, 7, 21, 3, 4, 3, 2, 1, false},
        PoolGeometry{6, 7, 21, 3, 4, 3, 2, 1, true},
        PoolGeometry{6, 7, 3, 3, 3, {2, 3}, {2, 2}, {0, 0, 1, 0}},
        PoolGeometry{5, 5, 18, 3, 3, 2, 2, 0, true},  // ceil_mode: the last hangs over
        PoolGeometry{5, 5, 18, 3, 3, 2, 2, {1, 1, 0, 0}, false},
        PoolGeometry{5, 5, 2, 3, 3, 2, 2, {1, 0, 0, 1}, false}}) {
    const Index n = 2;
    const Values x = normal_values(g.input(n).size(), 1), dy = normal_values(g.output(n).size(), 2);
    Values top = poisoned(g.output(n).size()), mean = top;
    for (Index e = 0, k = 0; e < n; ++e)
      for (Index p = 0; p < g.out_h; ++p)
        for (Index r = 0; r < g.out_w; ++r)
          for (Index c = 0; c < g.channels; ++c, ++k) {
            double sum = 0, most = -1e300;
            Index in_image = 0, in_padding = 0;
            for (Index i = 0; i < g.kernel.h; ++i)
              for (Index j = 0; j < g.kernel.w; ++j) {
                const Index h = p * g.stride.h - g.pad.top + i, w = r * g.stride.w - g.pad.left + j;
                if (h < g.in_h + g.pad.bottom && w < g.in_w + g.pad.right) ++in_padding;
                if (h < 0 || h >= g.in_h || w < 0 || w >= g.in_w) continue;
                const auto v = static_cast<double>(x[((e * g.in_h + h) * g.in_w + w) * g.channels + c]);
                ++in_image;
                sum += v;
                most = std::max(most, v);
              }
            top[k] = static_cast<Real>(most);
            mean[k] = static_cast<Real>(sum / static_cast<double>(g.count_padding ? in_padding : in_image));
          }
    for_each_instruction_set([&] {
      const Maximum m = maximum(g, n, x, false);
      EXPECT_EQ(m.y, top) << g.output(n).str();
      Values y = poisoned(top.size()), dx = poisoned(x.size()), gathered = poisoned(top.size());
      kernels::average_pool(g, n, x.data(), y.data());
      for (std::size_t k = 0; k < mean.size(); ++k) ASSERT_NEAR(y[k], mean[k], tolerance(10)) << k;
      kernels::average_pool_grad(g, n, dy.data(), dx.data());
      EXPECT_NEAR(inner_product(y, dy), inner_product(x, dx), tolerance(100));
      kernels::max_pool_grad(g, n, dy.data(), m.which.data(), dx.data());
      kernels::max_pool_gather(g, n, x.data(), m.which.data(), gathered.data());
      EXPECT_EQ(gathered, top);
      EXPECT_NEAR(inner_product(gathered, dy), inner_product(x, dx), tolerance(100));
    });
  }
}

TEST(Pool, SameBitsOnOneAndTwoThreads) {
  const PoolGeometry g = pool(15, 15, 32, 3, 2);
  const Index n = 33;
  const Values x = normal_values(g.input(n).size(), 1), dy = normal_values(g.output(n).size(), 2);
  std::vector<Values> results[2];
  for (const int count : {1, 2}) {
    set_threads(count);
    Maximum m = maximum(g, n, x, true);
    Values dx = poisoned(g.input(n).size()), mean = poisoned(g.output(n).size()), spread = dx;
    kernels::max_pool_grad(g, n, dy.data(), m.which.data(), dx.data());
    kernels::average_pool(g, n, x.data(), mean.data());
    kernels::average_pool_grad(g, n, dy.data(), spread.data());
    results[count - 1] = {m.y, m.which, dx, mean, spread};
  }
  for (std::size_t k = 0; k < results[0].size(); ++k)
    EXPECT_TRUE(same_bits(results[0][k], results[1][k])) << k;
}

}  // namespace
}  // namespace espalier::test
