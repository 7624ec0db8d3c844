// pictures_test.cpp: data sets whose pictures are decoded when they are needed give the same images as if all were in
// memory: in any order, on any number of threads, with and without room to keep them.
#include "framework/data/pictures.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "framework/core/memory.h"
#include "framework/core/parallel.h"
#include "framework/data/decode_image.h"
#include "framework/data/examples.h"
#include "framework/data/loader.h"
#include "tests/support/data_sets.h"
#include "tests/support/expect_error.h"
#include "tests/support/pictures.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

using Json = nlohmann::json;
using testing::expect_error;

/// 2 x 10 pictures to train on and 2 x 3 to test on, of different extents.
struct Photographs {
  testing::TempFolder folder;
  explicit Photographs(int extent = 0) {
    for (const std::string split : {"train", "test"})
      for (const std::string name : {"cat", "dog"})
        for (int i = 0; i < (split == "train" ? 10 : 3); ++i) {
          const int height = extent ? extent : 20 + 3 * i, width = extent ? extent : 31 - 2 * i;
          Bytes pixels = testing::pattern(height, width, 3);
          std::rotate(pixels.begin(), pixels.begin() + i + (name == "dog" ? 100 : 0), pixels.end());
          folder.write(fmt::format("{}/{}/{}.png", split, name, i),
                       testing::png_of(height, width, {}, pixels));
        }
  }
  Json source() const { return {{"type", "image_folder"}, {"path", folder.str()}}; }
  Json data() const { return {{"source", source()}, {"resize", 18}, {"crop", 16}}; }
};
LoadedData open(const Json& data) { return open_data(testing::read_data_config(data.dump())); }

std::vector<Real> values_of(const Batch& batch) {
  return {batch.images.values().begin(), batch.images.values().end()};
}
std::vector<Real> examples_of(const LoadedData& data, const ImageSet& set) {
  std::vector<Index> all(set.size());
  std::iota(all.begin(), all.end(), Index{0});
  Batch batch;
  ImageExamples(set, data.preprocessing, all).load({0, set.size()}, batch);
  return values_of(batch);
}
std::vector<Real> epoch_of(const LoadedData& data, int workers, int epoch = 0, Index first = 0) {
  TrainLoader loader(data.source.train, data.preprocessing, data.augmentation, 6, 7, workers);
  loader.start_epoch(epoch, first);
  std::vector<Real> all;
  for (Batch b; loader.next(b);) {
    const std::vector<Real> values = values_of(b);
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

TEST(Pictures, AreScaledAndCutWhenTheyAreAskedFor) {
  const Photographs photographs;
  const LoadedData data = open(photographs.data());
  EXPECT_EQ(data.source.train.size(), 20);
  EXPECT_EQ(data.source.test.size(), 6);
  EXPECT_EQ(data.source.train.height, 16);
  EXPECT_EQ(data.source.train.labels[10], 1);
  EXPECT_TRUE(data.source.train.pixels.empty());
  Bytes image(16 * 16 * 3), expected(image.size());
  data.source.train.pictures->image(13, image.data());
  const DecodedImage file = decode_image(photographs.folder / "train/dog/3.png", 3);
  fit_picture({file.pixels.data(), file.height, file.width, 3}, data.fit, expected.data());
  EXPECT_EQ(image, expected);
}

TEST(Pictures, OfOneSizeAreTheImagesThatAreReadIntoMemory) {
  const Photographs photographs(12);
  const LoadedData memory = open({{"source", photographs.source()}}),
                   streamed = open({{"source", photographs.source()}, {"crop", 12}});
  EXPECT_FALSE(memory.source.train.pictures);
  EXPECT_EQ(streamed.preprocessing.normalization.mean, memory.preprocessing.normalization.mean);
  EXPECT_EQ(streamed.preprocessing.normalization.std, memory.preprocessing.normalization.std);
  EXPECT_EQ(examples_of(streamed, streamed.source.train), examples_of(memory, memory.source.train));
  EXPECT_EQ(examples_of(streamed, streamed.source.test), examples_of(memory, memory.source.test));
  EXPECT_EQ(epoch_of(streamed, 2), epoch_of(memory, 1));
}

TEST(Pictures, AnyDataSetCanBeScaledAndStaysInMemoryAsItIs) {
  const LoadedData data =
      open({{"source", {{"type", "synthetic"}, {"train", 8}, {"test", 4}, {"height", 10}, {"width", 14}}},
            {"resize", 24}});
  EXPECT_EQ(data.source.train.height, 24);
  EXPECT_EQ(data.source.train.width, 24);
  EXPECT_EQ(examples_of(data, data.source.test).size(), 4u * 24 * 24 * 3);
  const LoadedData plain =
      open({{"source", {{"type", "synthetic"}, {"train", 8}, {"test", 4}, {"height", 10}, {"width", 14}}}});
  EXPECT_EQ(data.source.hash, plain.source.hash) << "the hash is of what the data set has";
}

TEST(Pictures, EveryNumberOfThreadsGivesTheSameBits) {
  const Photographs photographs;
  Json config = photographs.data();
  config["augment"] = {
      {"random_resized_crop", Json::object()},
      {"horizontal_flip", true},
      {"crop_padding", 2},
      {"color_jitter", {{"brightness", 0.4}, {"contrast", 0.4}, {"saturation", 0.4}, {"hue", 0.1}}}};
  const LoadedData data = open(config);
  const std::vector<Real> one = epoch_of(data, 1, 3);
  for (const int workers : {2, 3, 7}) EXPECT_EQ(epoch_of(data, workers, 3), one) << workers;
  EXPECT_NE(epoch_of(data, 2, 4), one) << "every epoch draws anew";
  std::vector<Real> rest(one.begin() + 2 * 6 * 16 * 16 * 3, one.end());
  EXPECT_EQ(epoch_of(data, 2, 3, 2), rest) << "an epoch can be taken up at any batch";
  const int before = threads();
  set_threads(1);
  const std::vector<Real> alone = examples_of(data, data.source.train);
  set_threads(2);
  EXPECT_EQ(examples_of(data, data.source.train), alone);
  set_threads(before);
}

TEST(Pictures, WhatIsKeptIsWhatIsMade) {
  const Photographs photographs;
  Json config = photographs.data();
  config["cache_mb"] = 0;
  const LoadedData none = open(config);
  EXPECT_EQ(none.source.train.pictures->room(), 0);
  config["cache_mb"] = 1;
  const LoadedData all = open(config);
  EXPECT_EQ(all.source.train.pictures->room(), 20 * 16 * 16 * 3);
  const std::vector<Real> made = examples_of(none, none.source.train);
  for (int time = 0; time < 2; ++time) EXPECT_EQ(examples_of(all, all.source.train), made);
  std::filesystem::remove_all(photographs.folder.path());
  EXPECT_EQ(examples_of(all, all.source.train), made) << "kept";
  expect_error(ExitCode::data, {"train/cat/0.png", "no such file"},
               [&] { examples_of(none, none.source.train); });
}

TEST(Pictures, RandomPartsWorkForImagesInMemoryToo) {
  Json config{{"source", {{"type", "synthetic"}, {"train", 24}, {"test", 4}, {"height", 12}, {"width", 12}}},
              {"augment", {{"random_resized_crop", {{"scale", {0.2, 0.5}}}}}}};
  const LoadedData data = open(config);
  EXPECT_EQ(epoch_of(data, 1), epoch_of(data, 4));
  config["augment"] = Json::object();
  EXPECT_NE(epoch_of(data, 1), epoch_of(open(config), 1));
}

TEST(Pictures, LimitsAndHeldOutImagesChooseAmongThem) {
  const Photographs photographs;
  Json config = photographs.data();
  config["train_limit"] = 15;
  config["hold_out"] = 4;
  const LoadedData part = open(config), all = open(photographs.data());
  EXPECT_EQ(part.source.train.size(), 11);
  EXPECT_EQ(part.source.test.size(), 4);
  EXPECT_TRUE(part.source.notices.empty());
  Bytes a(16 * 16 * 3), b(a.size());
  part.source.test.pictures->image(part.source.test.numbers[0], a.data());
  all.source.train.pictures->image(11, b.data());
  EXPECT_EQ(a, b);
}

TEST(Pictures, HoldingOutAWholeClassIsNotSilent) {
  const Photographs photographs;
  Json config = photographs.data();
  config["hold_out"] = 10;  // all dogs
  const LoadedData data = open(config);
  ASSERT_EQ(data.source.notices.size(), 1u);
  EXPECT_NE(data.source.notices[0].find("took all images of class 'dog'"), std::string::npos);
}

TEST(Pictures, TheHashIsOfNamesSizesAndLabels) {
  const Photographs photographs;
  const std::string before = open(photographs.data()).source.hash;
  EXPECT_EQ(open(photographs.data()).source.hash, before);
  std::filesystem::rename(photographs.folder / "train/cat/0.png", photographs.folder / "train/cat/00.png");
  EXPECT_NE(open(photographs.data()).source.hash, before);
}

TEST(Pictures, DamagedFilesAreListedOnceBeforeAnythingElse) {
  const Photographs photographs;
  for (const char* name : {"train/cat/3.png", "train/dog/5.png"}) {
    const auto file = photographs.folder / name;
    std::filesystem::resize_file(file, std::filesystem::file_size(file) - 40);
  }
  Json config = photographs.data();
  expect_error(ExitCode::data, {"train/cat/3.png", "train/dog/5.png", "\"damaged\": \"skip\""},
               [&] { open(config); });
  config["source"]["damaged"] = "skip";
  const LoadedData data = open(config);
  EXPECT_EQ(data.source.train.size(), 18);
  ASSERT_EQ(data.source.notices.size(), 1u);
  EXPECT_NE(data.source.notices[0].find("2 of 20 pictures cannot be read"), std::string::npos);
  EXPECT_NE(data.source.notices[0].find("train/dog/5.png"), std::string::npos);
  EXPECT_EQ(epoch_of(data, 2).size(), 18u * 16 * 16 * 3);

  config["source"]["damaged"] = "refuse";
  config["source"]["verify"] = false;  // then it is met when it is needed
  config["normalize"] = {{"mean", {0.5, 0.5, 0.5}}, {"std", {1, 1, 1}}};
  const LoadedData later = open(config);
  for (const int workers : {1, 3})
    expect_error(ExitCode::data, {"train/", "truncated"}, [&] { epoch_of(later, workers); });
}

TEST(Pictures, MemoryDoesNotGrowWithTheirNumber) {
  testing::TempFolder folder;
  constexpr int extent = 1200, count = 24;  // 4.3 MB each, decoded
  const Bytes png = testing::png_of(extent, extent, {}, testing::gradient(extent, extent, 3));
  for (int i = 0; i < count; ++i)
    for (const std::string name : {"a", "b"}) folder.write(fmt::format("{}/{}.png", name, i), png);
  const std::uint64_t before = peak_resident_memory();
  const LoadedData data =
      open({{"source", {{"type", "image_folder"}, {"path", folder.str()}, {"test_share", 0.25}}},
            {"resize", 32},
            {"cache_mb", 0}});
  epoch_of(data, 2);
  EXPECT_LT(peak_resident_memory() - before, 60u << 20) << "48 pictures of 4.3 MB are 207 MB";
  const PictureMemory memory = picture_memory(data);
  EXPECT_EQ(memory.kept, 0);
  EXPECT_GT(memory.reading, 4.3e6);
  EXPECT_LT(memory.reading, 60e6);
}

TEST(Pictures, SettingsThatContradictThemselvesAreRefused) {
  const Photographs photographs;
  Json config = photographs.data();
  config["crop"] = {16, 0};
  expect_error(ExitCode::config, {"crop is 16 x 0", "both must be given"}, [&] { open(config); });
  config = photographs.data();
  config["augment"] = {{"random_resized_crop", {{"scale", {0.9, 0.1}}}}};
  expect_error(ExitCode::config, {"scale needs two numbers"}, [&] { open(config); });
  config["augment"] = {{"color_jitter", {{"hue", 0.7}}}};
  expect_error(ExitCode::config, {"hue", "0.5"}, [&] { open(config); });
}

}  // namespace
}  // namespace espalier
