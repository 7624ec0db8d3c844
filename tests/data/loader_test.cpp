// loader_test.cpp: an epoch shows every image once, in an order that depends on seed and epoch only.
#include "framework/data/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include "framework/core/buffer_pool.h"
#include "framework/core/parallel.h"
#include "tests/support/expect_error.h"
#include "tests/support/images.h"

namespace espalier {
namespace {

using testing::expect_error;
using testing::random_images;

const Augmentation augmented{2, true};
Preprocessing padded() { return {8, 8, {{0.4, 0.5, 0.6}, {0.2, 0.25, 0.3}}}; }

struct Copy {
  std::vector<Real> images;
  std::vector<std::int32_t> labels;
  std::vector<Index> examples;
  bool operator==(const Copy&) const = default;
};
std::vector<Copy> rest_of_epoch(TrainLoader& loader) {
  std::vector<Copy> all;
  for (Batch b; loader.next(b);)
    all.push_back({{b.images.values().begin(), b.images.values().end()}, b.labels, b.examples});
  return all;
}
std::vector<Copy> epoch_of(const ImageSet& set, std::uint64_t seed, int epoch, Index first = 0) {
  TrainLoader loader(set, padded(), augmented, 10, seed);
  loader.start_epoch(epoch, first);
  return rest_of_epoch(loader);
}

TEST(TrainLoader, ShowsEveryImageOnceWithItsLabel) {
  const ImageSet set = random_images(47, 6, 6, 3);
  TrainLoader loader(set, padded(), {}, 10, 1);
  EXPECT_EQ(loader.batches_per_epoch(), 5);
  loader.start_epoch(0);
  std::set<Index> seen;
  Batch expected;
  std::vector<Index> sizes;
  for (Batch b; loader.next(b);) {
    sizes.push_back(b.size());
    load_examples(set, padded(), b.examples, expected);  // nothing is augmented here, so the pixels are these
    EXPECT_EQ(b.images.shape(), expected.images.shape());
    EXPECT_TRUE(std::ranges::equal(b.images.values(), expected.images.values()));
    EXPECT_EQ(b.labels, expected.labels);
    for (Index e : b.examples) EXPECT_TRUE(seen.insert(e).second) << "image " << e << " came twice";
  }
  EXPECT_EQ(sizes, (std::vector<Index>{10, 10, 10, 10, 7}));
  EXPECT_EQ(seen.size(), 47u);
}

TEST(TrainLoader, SameSeedAndEpochGiveTheSameBitsOnOneThreadOrTwo) {
  const ImageSet set = random_images(47, 6, 6, 3);
  const int before = threads();
  set_threads(1);
  const auto one = epoch_of(set, 3, 4);
  set_threads(2);
  const auto two = epoch_of(set, 3, 4);
  set_threads(before);
  EXPECT_EQ(one, two);
}

TEST(TrainLoader, OtherSeedsAndEpochsGiveOtherOrders) {
  const ImageSet set = random_images(47, 6, 6, 3);
  const auto base = epoch_of(set, 3, 4);
  EXPECT_NE(base[0].examples, epoch_of(set, 3, 5)[0].examples);
  EXPECT_NE(base[0].examples, epoch_of(set, 4, 4)[0].examples);
}

TEST(TrainLoader, ResumingInMidEpochGivesTheBatchesThatFollow) {
  const ImageSet set = random_images(47, 6, 6, 3);
  const auto whole = epoch_of(set, 3, 4);
  for (Index first = 0; first <= 5; ++first)
    EXPECT_EQ(epoch_of(set, 3, 4, first), std::vector<Copy>(whole.begin() + first, whole.end())) << first;
}

TEST(TrainLoader, AnEpochMayBeLeftAtAnyBatch) {
  const ImageSet set = random_images(47, 6, 6, 3);
  const auto whole = epoch_of(set, 3, 9);
  TrainLoader loader(set, padded(), augmented, 10, 3);
  Batch b;
  EXPECT_FALSE(loader.next(b)) << "no epoch has begun";
  for (int taken = 0; taken <= 6; ++taken) {
    loader.start_epoch(taken);
    for (int i = 0; i < taken; ++i) EXPECT_EQ(loader.next(b), i < 5);
    loader.start_epoch(9);
    EXPECT_EQ(rest_of_epoch(loader), whole) << "after " << taken << " batches of another epoch";
  }
}  // and destroyed while a batch is under way:

TEST(TrainLoader, MayBeDestroyedAtAnyMoment) {
  const ImageSet set = random_images(47, 6, 6, 3);
  for (int i = 0; i < 200; ++i) {
    TrainLoader loader(set, padded(), augmented, 10, 3);
    if (i % 2) loader.start_epoch(0);
    Batch b;
    if (i % 4 == 3) {
      EXPECT_TRUE(loader.next(b));
    }
  }
}

TEST(TrainLoader, TensorsTheCallerKeepsAreNotOverwritten) {
  const ImageSet set = random_images(47, 6, 6, 3);
  TrainLoader loader(set, padded(), augmented, 10, 3);
  loader.start_epoch(0);
  std::vector<Tensor> kept;
  for (Batch b; loader.next(b);) kept.push_back(b.images);
  const auto whole = epoch_of(set, 3, 0);
  ASSERT_EQ(kept.size(), whole.size());
  for (std::size_t i = 0; i < kept.size(); ++i)
    EXPECT_TRUE(std::ranges::equal(kept[i].values(), whole[i].images));
}

TEST(TrainLoader, AllocatesNothingOnceItRuns) {
  const ImageSet set = random_images(47, 6, 6, 3);
  TrainLoader loader(set, padded(), augmented, 10, 3);
  Batch b;
  std::size_t after_first = 0;
  for (int epoch = 0; epoch < 4; ++epoch) {
    loader.start_epoch(epoch);
    while (loader.next(b)) {
    }
    if (epoch == 0) after_first = pool_statistics().system_allocations;
  }
  EXPECT_EQ(pool_statistics().system_allocations, after_first);
}

TEST(TrainLoader, WhatGoesWrongInTheThreadSurfacesInNext) {
  ImageSet set = random_images(47, 6, 6, 3);
  const std::vector<std::uint8_t> pixels = set.pixels;
  TrainLoader loader(set, padded(), augmented, 10, 3);
  set.pixels.resize(100);
  loader.start_epoch(0);
  Batch b;
  expect_error(ExitCode::data, {"47 labels", "100"}, [&] { loader.next(b); });
  EXPECT_FALSE(loader.next(b));
  set.pixels = pixels;  // mended: the loader goes on
  loader.start_epoch(0);
  EXPECT_EQ(rest_of_epoch(loader), epoch_of(set, 3, 0));
}

TEST(TrainLoader, RefusesWhatCannotBeTrainedOn) {
  const ImageSet set = random_images(5, 6, 6, 3);
  expect_error(ExitCode::config, {"batch_size is 0"}, [&] { TrainLoader(set, padded(), {}, 0, 1); });
  expect_error(ExitCode::config, {"crop_padding", "-1"}, [&] {
    TrainLoader(set, padded(), {-1, false}, 2, 1);
  });
  expect_error(ExitCode::config, {"data.pad_to"}, [&] {
    TrainLoader(set, {5, 8, {{0, 0, 0}, {1, 1, 1}}}, {}, 2, 1);
  });
}

// Training CIFARNet on two cores takes some 5,000 images a second; the loader's one thread must not be what
// it waits for. 20,000 a second is asked for on a quiet machine;
// a quarter of that here, as tests run beside others.
TEST(TrainLoader, PreparesThousandsOfImagesASecond) {
  const ImageSet set = random_images(5000, 32, 32, 3);
  TrainLoader loader(set, {32, 32, {{0.5, 0.5, 0.5}, {0.25, 0.25, 0.25}}}, {4, true}, 128, 1);
  loader.start_epoch(0);
  const auto start = std::chrono::steady_clock::now();
  for (Batch b; loader.next(b);) {
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  RecordProperty("images_per_second", static_cast<int>(5000 / seconds));
#if defined(NDEBUG) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_GT(5000 / seconds, 5000);
#endif
}

}  // namespace
}  // namespace espalier
