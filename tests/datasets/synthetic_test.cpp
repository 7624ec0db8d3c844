// synthetic_test.cpp: made-up data must be the same every time, balanced, and learnable.
#include <gtest/gtest.h>

#include <limits>

#include "tests/support/data_sets.h"

namespace espalier {
namespace {

using testing::open_source;

TEST(Synthetic, SameSettingsSameBytes) {
  const nlohmann::json settings{{"train", 40}, {"test", 20}, {"seed", 5}};
  const DataSource a = open_source("synthetic", settings), b = open_source("synthetic", settings);
  EXPECT_EQ(a.train.pixels, b.train.pixels);
  EXPECT_EQ(a.test.pixels, b.test.pixels);
  EXPECT_NE(a.train.pixels,
            open_source("synthetic", {{"train", 40}, {"test", 20}, {"seed", 6}}).train.pixels);
  const auto half = static_cast<std::ptrdiff_t>(a.test.pixels.size());
  EXPECT_FALSE(std::equal(a.test.pixels.begin(), a.test.pixels.end(), a.train.pixels.begin(),
                          a.train.pixels.begin() + half))
      << "test images are training images";
}

TEST(Synthetic, HasTheExtentsAskedForAndTakesClassesInTurn) {
  const DataSource s = open_source(
      "synthetic", {{"classes", 3}, {"train", 7}, {"test", 2}, {"height", 5}, {"width", 6}, {"channels", 2}});
  EXPECT_EQ(s.train.labels, (std::vector<std::int32_t>{0, 1, 2, 0, 1, 2, 0}));
  EXPECT_EQ(s.test.size(), 2);
  EXPECT_EQ(s.train.image_bytes(), 60);
  EXPECT_EQ(s.train.pixels.size(), 7u * 60);
  EXPECT_EQ(s.classes(), 3);
}

TEST(Synthetic, NearestClassMeanClassifiesTheTestImages) {
  const DataSource s = open_source("synthetic", nlohmann::json::object());
  const auto n = static_cast<std::size_t>(s.train.image_bytes());
  std::vector<std::vector<double>> mean(10, std::vector<double>(n));
  for (Index i = 0; i < s.train.size(); ++i)
    for (std::size_t p = 0; p < n; ++p) mean[s.train.labels[i]][p] += s.train.image(i)[p] / 50.0;
  int correct = 0;
  for (Index i = 0; i < s.test.size(); ++i) {
    int best = -1;
    double least = std::numeric_limits<double>::infinity();
    for (int k = 0; k < 10; ++k) {
      double distance = 0;
      for (std::size_t p = 0; p < n; ++p) {
        const double d = s.test.image(i)[p] - mean[k][p];
        distance += d * d;
      }
      if (distance < least) least = distance, best = k;
    }
    correct += best == s.test.labels[i];
  }
  EXPECT_GE(correct, 98);  // of 100
}

}  // namespace
}  // namespace espalier
