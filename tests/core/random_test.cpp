// random_test.cpp: numbers that are a function of a key. Bounds are 5 standard deviations of the statistic
// tested: with fixed seeds a test either always passes or never does, and a generator of good quality passes.
#include "framework/core/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <vector>

namespace espalier::test {
namespace {

constexpr int draws = 100000;

TEST(Random, SameKeySameNumbers) {
  Random a(7, Random::Use::augment, {3, 14}), b(7, Random::Use::augment, {3, 14});
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.next(), b.next());
}

TEST(Random, EveryPartOfTheKeyMatters) {
  std::set<std::uint64_t> first;
  int streams = 0;
  const auto add = [&](Random r) {
    first.insert(r.next());
    ++streams;
  };
  for (std::uint64_t seed = 0; seed < 5; ++seed)
    for (const auto use : {Random::Use::init, Random::Use::shuffle, Random::Use::dropout}) {
      add(Random(seed, use));
      for (std::uint64_t i = 0; i < 20; ++i) {
        add(Random(seed, use, {i}));
        for (std::uint64_t j = 0; j < 20; ++j) add(Random(seed, use, {i, j}));  // {1, 2} is not {2, 1}
      }
    }
  EXPECT_EQ(first.size(), static_cast<std::size_t>(streams));
}

TEST(Random, NeighbouringStreamsAreUncorrelated) {
  double sum = 0;
  for (std::uint64_t i = 0; i < draws; ++i) {
    Random a(1, Random::Use::dropout, {i}), b(1, Random::Use::dropout, {i + 1});
    sum += (a.uniform() - 0.5) * (b.uniform() - 0.5) * 12;  // product of two variables of variance 1
  }
  EXPECT_NEAR(sum / draws, 0, 5 / std::sqrt(draws));
}

TEST(Random, UniformHasItsMomentsAndItsRange) {
  Random random(2, Random::Use::test);
  double mean = 0, square = 0;
  for (int i = 0; i < draws; ++i) {
    const double u = random.uniform();
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    mean += u / draws;
    square += u * u / draws;
  }
  EXPECT_NEAR(mean, 0.5, 5 * std::sqrt(1.0 / 12 / draws));
  EXPECT_NEAR(square, 1.0 / 3, 5 * std::sqrt(4.0 / 45 / draws));
  const double scaled = random.uniform(-3, -2);
  EXPECT_GE(scaled, -3);
  EXPECT_LT(scaled, -2);
}

TEST(Random, UniformFillsItsRangeEvenly) {
  Random random(3, Random::Use::test);
  std::vector<double> bins(100, 0.0);
  for (int i = 0; i < draws; ++i) ++bins[static_cast<std::size_t>(random.uniform() * 100)];
  double chi_square = 0;
  for (const double b : bins) chi_square += (b - draws / 100.0) * (b - draws / 100.0) / (draws / 100.0);
  EXPECT_NEAR(chi_square, 99, 5 * std::sqrt(2 * 99.0)) << "99 degrees of freedom";
}

TEST(Random, NormalHasItsMoments) {
  Random random(4, Random::Use::test);
  double m1 = 0, m2 = 0, m3 = 0, m4 = 0;
  for (int i = 0; i < draws; ++i) {
    const double z = random.normal();
    ASSERT_TRUE(std::isfinite(z));
    m1 += z / draws;
    m2 += z * z / draws;
    m3 += z * z * z / draws;
    m4 += z * z * z * z / draws;
  }
  EXPECT_NEAR(m1, 0, 5 * std::sqrt(1.0 / draws));
  EXPECT_NEAR(m2, 1, 5 * std::sqrt(2.0 / draws));
  EXPECT_NEAR(m3, 0, 5 * std::sqrt(15.0 / draws));
  EXPECT_NEAR(m4, 3, 5 * std::sqrt(96.0 / draws));
}

TEST(Random, BelowIsEvenAndBelow) {
  Random random(5, Random::Use::test);
  std::vector<int> counts(7, 0);
  for (int i = 0; i < draws; ++i) ++counts.at(random.below(7));
  for (const int c : counts) EXPECT_NEAR(c, draws / 7.0, 5 * std::sqrt(draws * (1.0 / 7) * (6.0 / 7)));
  EXPECT_EQ(random.below(1), 0U);
}

TEST(Random, ShuffleIsAPermutationAndEveryPlaceIsEquallyLikely) {
  std::vector<int> v(1000);
  std::iota(v.begin(), v.end(), 0);
  Random(6, Random::Use::shuffle).shuffle(v);
  EXPECT_FALSE(std::is_sorted(v.begin(), v.end()));
  std::sort(v.begin(), v.end());
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(v[i], i);

  constexpr int shuffles = 20000;
  std::vector<int> at(25, 0);  // [where element e went]: 5 x 5
  for (std::uint64_t s = 0; s < shuffles; ++s) {
    std::vector<int> five{0, 1, 2, 3, 4};
    Random(7, Random::Use::shuffle, {s}).shuffle(five);
    for (std::size_t place = 0; place < 5; ++place) ++at[static_cast<std::size_t>(five[place]) * 5 + place];
  }
  for (const int c : at) EXPECT_NEAR(c, shuffles / 5.0, 5 * std::sqrt(shuffles * 0.2 * 0.8));
}

TEST(Random, ShufflesOfNothingAndOfOne) {
  std::vector<int> none, one{4};
  Random random(8, Random::Use::shuffle);
  random.shuffle(none);
  random.shuffle(one);
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(one[0], 4);
}

}  // namespace
}  // namespace espalier::test
