// elementwise_test.cpp: the flat loops against one-line definitions, for lengths around vectors and chunks.
#include "framework/kernels/elementwise.h"

#include <gtest/gtest.h>

#include <functional>

#include "framework/core/parallel.h"
#include "tests/kernels/each_instruction_set.h"
#include "tests/support/arrays.h"
#include "tests/support/precision.h"

namespace espalier::test {
namespace {

using Values = std::vector<Real>;
constexpr Index lengths[] = {0, 1, 3, 4, 15, 16, 17, 100, 16384, 16385, 50001};

/// Runs kernel(n, a, b, y) for every length and instruction set, out of place and in place,
/// against y[k] = expected(a, b).
void check(const std::function<Real(Real, Real)>& expected,
           const std::function<void(Index, const Real*, const Real*, Real*)>& kernel) {
  for (const Index n : lengths)
    for_each_instruction_set([&] {
      SCOPED_TRACE(n);
      const Values a = normal_values(n, 1), b = normal_values(n, 2);
      Values wanted(a.size()), y = poisoned(n), in_place = a;
      for (std::size_t k = 0; k < a.size(); ++k) wanted[k] = expected(a[k], b[k]);
      kernel(n, a.data(), b.data(), y.data());
      EXPECT_LT(largest_difference(y, wanted), tolerance(4));
      kernel(n, in_place.data(), b.data(), in_place.data());
      EXPECT_TRUE(same_bits(in_place, y));
    });
}

TEST(Elementwise, Add) {
  check([](Real a, Real b) { return a + b; }, kernels::add);
}
TEST(Elementwise, Axpby) {
  check([](Real a, Real b) { return 2 * a - 3 * b; },
        [](Index n, const Real* a, const Real* b, Real* y) { kernels::axpby(n, 2, a, -3, b, y); });
}
TEST(Elementwise, Scale) {
  check([](Real a, Real) { return -2 * a; },
        [](Index n, const Real* a, const Real*, Real* y) { kernels::scale(n, -2, a, y); });
}
TEST(Elementwise, Multiply) {
  check([](Real a, Real b) { return a * b; }, kernels::multiply);
}
TEST(Elementwise, Relu) {
  check([](Real a, Real) { return a > 0 ? a : Real(0); },
        [](Index n, const Real* a, const Real*, Real* y) { kernels::relu(n, a, y); });
}
TEST(Elementwise, KeepPositive) {
  check([](Real a, Real b) { return b > 0 ? a : Real(0); }, kernels::keep_positive);
}

TEST(Elementwise, KeepWithin) {
  check([](Real a, Real b) { return b > -1 && b < Real(0.5) ? a : Real(0); },
        [](Index n, const Real* a, const Real* b, Real* y) {
          kernels::keep_within(n, -1, Real(0.5), a, b, y);
        });
}
TEST(Elementwise, Finish) {
  using kernels::Finish;
  check([](Real a, Real) { return std::clamp(a, Real(-0.5), Real(1)); },
        [](Index n, const Real* a, const Real*, Real* y) {
          kernels::finish(n, {Finish::Kind::clip, Real(-0.5), 1}, a, y);
        });
  check([](Real a, Real) { return a * std::clamp(a / 2 + Real(0.25), Real(0), Real(1)); },
        [](Index n, const Real* a, const Real*, Real* y) {
          kernels::finish(n, {Finish::Kind::hard_swish, Real(0.5), Real(0.25)}, a, y);
        });
}
// x (x / 2 + 1/4) between its kinks at -1/2 and 3/2, x to the right of them, 0 to the left.
TEST(Elementwise, FinishGradient) {
  using kernels::Finish;
  check(
      [](Real a, Real b) {
        return b * (a <= Real(-0.5) ? Real(0) : a >= Real(1.5) ? Real(1) : a + Real(0.25));
      },
      [](Index n, const Real* a, const Real* b, Real* y) {
        kernels::finish_grad(n, {Finish::Kind::hard_swish, Real(0.5), Real(0.25)}, a, b, y);
      });
  check([](Real a, Real b) { return a > -1 && a < Real(0.5) ? b : Real(0); },
        [](Index n, const Real* a, const Real* b, Real* y) {
          kernels::finish_grad(n, {Finish::Kind::clip, -1, Real(0.5)}, a, b, y);
        });
}

// The slope of ReLU at zero is taken as zero, as everywhere in this program.
TEST(Elementwise, KeepPositiveDropsAtZero) {
  for_each_instruction_set([] {
    const Values x(40, Real(1)), zero(40, Real(0));
    Values y = poisoned(40);
    kernels::keep_positive(40, x.data(), zero.data(), y.data());
    EXPECT_EQ(y, zero);
  });
}

TEST(Elementwise, ReluKeepsNan) {
  for_each_instruction_set([] {
    const Values x = poisoned(21);
    Values y(21);
    kernels::relu(21, x.data(), y.data());
    for (const Real v : y) EXPECT_TRUE(std::isnan(v));
  });
}

// Two units in the last place, over all exponents that a softmax asks for, in vectors and in single values.
TEST(Elementwise, ExponentialIsThatOfTheLibrary) {
  const Index n = 20003;
  Values x(static_cast<std::size_t>(n)), y = poisoned(n);
  const double low = sizeof(Real) == 4 ? -87 : -708;
  for (Index k = 0; k < n; ++k) x[k] = static_cast<Real>(low * static_cast<double>(k) / (n - 1));
  for_each_instruction_set([&] {
    kernels::instruction_set().exponential(n, x.data(), y.data());
    EXPECT_EQ(y[0], Real(1));
    double worst = 0;
    for (std::size_t k = 0; k < x.size(); ++k) {
      const double exact = std::exp(static_cast<double>(x[k]));
      worst = std::max(worst, std::abs(static_cast<double>(y[k]) - exact) / exact);
    }
    EXPECT_LT(worst, 4 * unit);
  });
}

TEST(Elementwise, ExponentialOfNanIsNanAndOfFarBelowZeroIsZero) {
  for_each_instruction_set([] {
    for (const Index n : {1, 40}) {  // a single value, and vectors
      Values nan = poisoned(n), y(nan.size());
      kernels::instruction_set().exponential(n, nan.data(), y.data());
      for (const Real v : y) EXPECT_TRUE(std::isnan(v));
      const Real infinite = std::numeric_limits<Real>::infinity();
      for (const Real x : {Real(-800), Real(-1e30), -infinite}) {
        y.assign(y.size(), 1);
        kernels::instruction_set().exponential(n, Values(y.size(), x).data(), y.data());
        EXPECT_EQ(y, Values(y.size(), Real(0))) << x;
      }
    }
  });
}

TEST(Elementwise, ReciprocalSqrt) {
  const Values x = {Real(0.25), 1, 4, 16, Real(1e-8)};
  Values y = poisoned(5);
  kernels::reciprocal_sqrt(5, x.data(), y.data());
  EXPECT_LT(largest_difference(y, {2, 1, Real(0.5), Real(0.25), Real(1e4)}), 1e4 * tolerance());
}

TEST(Elementwise, DotIsAFloat64Sum) {
  for (const Index n : lengths)
    for_each_instruction_set([&] {
      const Values a = normal_values(n, 1), b = normal_values(n, 2);
      const double size = static_cast<double>(n) + 1;
      EXPECT_NEAR(kernels::dot(n, a.data(), b.data()), inner_product(a, b), size * 1e-15);
    });
}

TEST(Elementwise, SpreadChannels) {
  const Values x = {1, 2, 3};
  Values y = poisoned(6);
  kernels::spread_channels(2, 3, x.data(), y.data());
  EXPECT_EQ(y, (Values{1, 2, 3, 1, 2, 3}));
}

TEST(SgdStep, IsItsFormula) {
  const Real rate = Real(0.1), momentum = Real(0.9), decay = Real(0.01);
  for (const bool nesterov : {false, true})
    for (const Index n : lengths)
      for_each_instruction_set([&] {
        const Values gradient = normal_values(n, 1);
        Values mask = normal_values(n, 2), velocity = normal_values(n, 3), w = normal_values(n, 4);
        for (Real& m : mask) m = m > 0 ? Real(1) : Real(0);
        Values expected_velocity(w.size()), expected(w.size());
        for (std::size_t k = 0; k < w.size(); ++k) {
          const Real g = gradient[k] + decay * w[k], v = momentum * velocity[k] + g;
          expected_velocity[k] = v * mask[k];
          expected[k] = (w[k] - rate * (nesterov ? g + momentum * v : v)) * mask[k];
        }
        kernels::sgd_step(n, rate, momentum, nesterov, decay, gradient.data(), mask.data(), velocity.data(),
                          w.data());
        EXPECT_LT(largest_difference(velocity, expected_velocity), tolerance(8));
        EXPECT_LT(largest_difference(w, expected), tolerance(8));
        // Without a mask: the same bits as with one of ones.
        Values free_velocity = velocity, free_w = w;
        mask.assign(mask.size(), Real(1));
        kernels::sgd_step(n, rate, momentum, nesterov, decay, gradient.data(), mask.data(), velocity.data(),
                          w.data());
        kernels::sgd_step(n, rate, momentum, nesterov, decay, gradient.data(), nullptr, free_velocity.data(),
                          free_w.data());
        EXPECT_TRUE(same_bits(free_velocity, velocity));
        EXPECT_TRUE(same_bits(free_w, w));
      });
}

TEST(Elementwise, SameBitsOnOneAndTwoThreads) {
  const Index n = 100001;
  const Values a = normal_values(n, 1), b = normal_values(n, 2);
  double dots[2];
  std::vector<Values> results[2];
  for (const int count : {1, 2}) {
    set_threads(count);
    dots[count - 1] = kernels::dot(n, a.data(), b.data());
    Values v = a, w = b, ones(a.size(), Real(1));
    kernels::sgd_step(n, Real(0.1), Real(0.9), true, Real(0.01), a.data(), ones.data(), v.data(), w.data());
    results[count - 1] = {v, w};
  }
  EXPECT_EQ(dots[0], dots[1]);
  for (std::size_t k = 0; k < 2; ++k) EXPECT_TRUE(same_bits(results[0][k], results[1][k]));
}

}  // namespace
}  // namespace espalier::test
