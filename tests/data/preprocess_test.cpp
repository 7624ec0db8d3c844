// preprocess_test.cpp: bytes become numbers by one formula,
// (byte / 255 - mean) / std; everything else moves pixels.
#include "framework/data/preprocess.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "framework/core/parallel.h"
#include "tests/support/expect_error.h"
#include "tests/support/images.h"

namespace espalier {
namespace {

using testing::expect_error;
using testing::random_images;

/// byte / 255 itself, so that a test reads pixels in the output.
Normalization identity(int channels) {
  const auto n = static_cast<std::size_t>(channels);
  return {std::vector<double>(n, 0.0), std::vector<double>(n, 1.0)};
}

/// The byte at (y, x, c) of image `i`; black outside.
int pixel(const ImageSet& set, Index i, int y, int x, int c) {
  if (y < 0 || y >= set.height || x < 0 || x >= set.width) return 0;
  return set.image(i)[(y * set.width + x) * set.channels + c];
}

/// The definition of a crop: pad, cut a window of `height` x `width` moved by (down, right), mirror.
std::vector<Real> window_by_definition(const ImageSet& set, Index i, int height, int width, int down,
                                       int right, bool flip) {
  const int top = (height - set.height) / 2, left = (width - set.width) / 2;
  std::vector<Real> out;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < set.channels; ++c)
        out.push_back(static_cast<Real>(
            pixel(set, i, y + down - top, (flip ? width - 1 - x : x) + right - left, c) / 255.0));
  return out;
}

TEST(Normalization, MeasuredEqualsTheTwoPassDefinition) {
  const ImageSet set = random_images(37, 5, 7, 3);
  const Normalization measured = measure_normalization(set);
  ASSERT_EQ(measured.mean.size(), 3u);
  for (std::size_t c = 0; c < 3; ++c) {
    double mean = 0, variance = 0;
    const double n = static_cast<double>(set.pixels.size()) / 3;
    for (std::size_t i = c; i < set.pixels.size(); i += 3) mean += set.pixels[i] / 255.0 / n;
    for (std::size_t i = c; i < set.pixels.size(); i += 3) {
      const double d = set.pixels[i] / 255.0 - mean;
      variance += d * d / n;
    }
    EXPECT_NEAR(measured.mean[c], mean, 1e-13);  // 1,295 additions of float64 round this much at most
    EXPECT_NEAR(measured.std[c], std::sqrt(variance), 1e-13);
  }
}

TEST(Normalization, MeasuredOnTheSetMakesMeanZeroAndDeviationOne) {
  const ImageSet set = random_images(50, 6, 6, 1);
  std::vector<Index> all(50);
  std::iota(all.begin(), all.end(), Index{0});
  Batch batch;
  load_examples(set, {6, 6, measure_normalization(set)}, all, batch);
  double sum = 0, squares = 0;
  for (Real v : batch.images.values()) {
    sum += v;
    squares += static_cast<double>(v) * v;
  }
  const auto n = static_cast<double>(batch.images.size());
  EXPECT_NEAR(sum / n, 0, 1e-6);  // each value is rounded to float32: 6e-8 of at most 2
  EXPECT_NEAR(squares / n, 1, 1e-6);
}

TEST(Normalization, AConstantChannelIsCentredAndNotDividedByZero) {
  ImageSet set = random_images(4, 3, 3, 2);
  for (std::size_t i = 1; i < set.pixels.size(); i += 2) set.pixels[i] = 51;
  const Normalization n = measure_normalization(set);
  EXPECT_DOUBLE_EQ(n.mean[1], 0.2);
  EXPECT_DOUBLE_EQ(n.std[1], 1);
}

TEST(LoadExamples, NormalisesAndKeepsOrder) {
  const ImageSet set = random_images(9, 4, 5, 3);
  const std::vector<Index> chosen{7, 0, 7};
  Batch batch;
  load_examples(set, {4, 5, {{0.1, 0.2, 0.3}, {0.5, 0.6, 0.7}}}, chosen, batch);
  ASSERT_EQ(batch.images.shape(), (Shape{3, 4, 5, 3}));
  EXPECT_EQ(batch.examples, chosen);
  EXPECT_EQ(batch.labels, (std::vector<std::int32_t>{7, 0, 7}));
  const double mean[] = {0.1, 0.2, 0.3}, deviation[] = {0.5, 0.6, 0.7};
  const Real* v = batch.images.data();
  for (Index e : chosen)
    for (int y = 0; y < 4; ++y)
      for (int x = 0; x < 5; ++x)
        for (int c = 0; c < 3; ++c)
          EXPECT_NEAR(*v++, (pixel(set, e, y, x, c) / 255.0 - mean[c]) / deviation[c], 1e-6);
}

TEST(LoadExamples, PaddingIsBlackSymmetricAndPutsTheOddPixelLast) {
  const ImageSet set =
      random_images(1, 3, 2, 1);  // into 6x5: one row above, two below; one column left, two right
  Batch batch;
  load_examples(set, {6, 5, {{0.5}, {0.25}}}, std::vector<Index>{0}, batch);
  for (int y = 0; y < 6; ++y)
    for (int x = 0; x < 5; ++x)
      EXPECT_NEAR(batch.images.data()[y * 5 + x], (pixel(set, 0, y - 1, x - 1, 0) / 255.0 - 0.5) / 0.25, 1e-6)
          << y << "," << x;  // black is (0 - 0.5) / 0.25 = -2, not 0
}

TEST(LoadExamples, ReusesMemoryUnlessSomebodyHoldsIt) {
  const ImageSet set = random_images(8, 4, 4, 1);
  const Preprocessing as_is{4, 4, identity(1)};
  Batch batch;
  load_examples(set, as_is, std::vector<Index>{0, 1}, batch);
  const Real* memory = batch.images.data();
  load_examples(set, as_is, std::vector<Index>{2, 3}, batch);
  EXPECT_EQ(batch.images.data(), memory);
  const Tensor held = batch.images;
  const std::vector<Real> before(held.values().begin(), held.values().end());
  load_examples(set, as_is, std::vector<Index>{4, 5}, batch);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), held.data()));
}

TEST(LoadExamples, RefusesWhatDoesNotFit) {
  const ImageSet set = random_images(3, 4, 4, 3);
  Batch batch;
  const std::vector<Index> first{0};
  expect_error(ExitCode::config, {"data.pad_to", "4x4", "3x3"}, [&] {
    load_examples(set, {3, 3, identity(3)}, first, batch);
  });
  expect_error(ExitCode::config, {"data.normalize", "1 means", "3 channels"}, [&] {
    load_examples(set, {4, 4, identity(1)}, first, batch);
  });
  expect_error(ExitCode::data, {"example 3", "3 images"}, [&] {
    load_examples(set, {4, 4, identity(3)}, std::vector<Index>{3}, batch);
  });
}

TEST(ImageConverter, EveryWindowAndMirrorFollowsTheDefinition) {
  for (int channels : {1, 2, 3}) {
    const ImageSet set = random_images(2, 4, 5, channels);
    const ImageConverter converter(set, {6, 6, identity(channels)});
    std::vector<Real> out(36 * channels);
    for (int down = -8; down <= 8; ++down)  // as far as nothing of the image is left
      for (int right = -8; right <= 8; ++right)
        for (bool flip : {false, true}) {
          converter.convert(1, {down, right, flip}, out.data());
          ASSERT_EQ(out, window_by_definition(set, 1, 6, 6, down, right, flip))
              << channels << " channels, moved " << down << "," << right << (flip ? " mirrored" : "");
        }
  }
}

TEST(Augmentation, CropsAreUniformAndHalfTheImagesAreMirrored) {
  const Augmentation augmentation{2, true};
  int counts[5][5] = {}, flips = 0;
  const int n = 50000;
  for (Index e = 0; e < n; ++e) {
    const auto change = ImageConverter::draw(augmentation, 7, 3, e);
    ASSERT_LE(std::abs(change.down), 2);
    ASSERT_LE(std::abs(change.right), 2);
    ++counts[change.down + 2][change.right + 2];
    flips += change.flip;
  }
  // 5 standard deviations of a binomial count: wrong once in 3 million runs if the seed were not fixed.
  EXPECT_NEAR(flips, n / 2, 5 * std::sqrt(n * 0.25));
  for (const auto& row : counts)
    for (int count : row) EXPECT_NEAR(count, n / 25, 5 * std::sqrt(n / 25.0));
}

TEST(Augmentation, IsAFunctionOfSeedEpochAndExample) {
  const Augmentation augmentation{4, true};
  const auto code = [&](std::uint64_t seed, int epoch, Index example) {
    const auto c = ImageConverter::draw(augmentation, seed, epoch, example);
    return (c.down + 4) * 18 + (c.right + 4) * 2 + c.flip;
  };
  int same_seed = 0, same_epoch = 0, same_example = 0;
  for (Index e = 0; e < 1000; ++e) {
    EXPECT_EQ(code(1, 2, e), code(1, 2, e));
    same_seed += code(1, 2, e) == code(5, 2, e);
    same_epoch += code(1, 2, e) == code(1, 3, e);
    same_example += code(1, 2, e) == code(1, 2, e + 1);
  }
  for (int agreeing : {same_seed, same_epoch, same_example})
    EXPECT_LT(agreeing, 30);  // by chance 1000 / 162 = 6
}

TEST(Augmentation, NoneIsNoChange) {
  const auto change = ImageConverter::draw({}, 1, 2, 3);
  EXPECT_EQ(change.down, 0);
  EXPECT_EQ(change.right, 0);
  EXPECT_FALSE(change.flip);
}

}  // namespace
}  // namespace espalier
