// data_config_test.cpp: the "data" section of a config, from its JSON to the images in use.
#include "framework/data/data_config.h"

#include <gtest/gtest.h>

#include "framework/data/hash.h"
#include "tests/support/data_sets.h"
#include "tests/support/expect_error.h"

namespace espalier {
namespace {

using testing::expect_error;
using testing::read_data_config;

const std::string small =
    R"("source": {"type": "synthetic", "train": 30, "test": 20, "height": 6, "width": 5})";

LoadedData open(const std::string& more = "") {
  return open_data(read_data_config("{" + small + more + "}"));
}

TEST(DataConfig, DefaultsLeaveImagesAsTheyAreAndMeasureTheNormalisation) {
  const LoadedData data = open();
  EXPECT_EQ(data.source.train.size(), 30);
  EXPECT_EQ(data.source.test.size(), 20);
  EXPECT_EQ(data.preprocessing.height, 6);
  EXPECT_EQ(data.preprocessing.width, 5);
  const Normalization measured = measure_normalization(data.source.train);
  EXPECT_EQ(data.preprocessing.normalization.mean, measured.mean);
  EXPECT_EQ(data.preprocessing.normalization.std, measured.std);
  EXPECT_EQ(data.augmentation.crop_padding, 0);
  EXPECT_FALSE(data.augmentation.horizontal_flip);
}

TEST(DataConfig, EverySettingArrives) {
  const LoadedData data = open(R"(, "pad_to": 8, "augment": {"crop_padding": 2, "horizontal_flip": true},
      "normalize": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}, "train_limit": 11, "test_limit": 500)");
  EXPECT_EQ(data.preprocessing.height, 8);
  EXPECT_EQ(data.preprocessing.width, 8);
  EXPECT_EQ(data.preprocessing.normalization.mean, (std::vector<double>{0.1, 0.2, 0.3}));
  EXPECT_EQ(data.preprocessing.normalization.std, (std::vector<double>{0.4, 0.5, 0.6}));
  EXPECT_EQ(data.augmentation.crop_padding, 2);
  EXPECT_TRUE(data.augmentation.horizontal_flip);
  EXPECT_EQ(data.source.train.size(), 11);
  EXPECT_EQ(data.source.test.size(), 20) << "a limit above the size takes all";
}

TEST(DataConfig, ALimitKeepsTheFirstImagesAndTheNormalisationIsTheirs) {
  const LoadedData all = open(), some = open(R"(, "train_limit": 7)");
  ASSERT_EQ(some.source.train.size(), 7);
  EXPECT_TRUE(std::equal(some.source.train.pixels.begin(), some.source.train.pixels.end(),
                         all.source.train.pixels.begin()));
  EXPECT_EQ(some.preprocessing.normalization.mean, measure_normalization(some.source.train).mean);
}

TEST(DataConfig, TheHashChangesWithEveryByteInUse) {
  const LoadedData data = open();
  EXPECT_EQ(data.source.hash, open().source.hash);
  EXPECT_EQ(data.source.hash, open(R"(, "pad_to": 8)").source.hash) << "padding is no property of the data";
  EXPECT_NE(data.source.hash, open(R"(, "train_limit": 29)").source.hash);
  EXPECT_NE(data.source.hash, open(R"(, "test_limit": 19)").source.hash);
  ImageSet train = data.source.train, test = data.source.test;
  EXPECT_EQ(hash_images(train, test), data.source.hash);
  train.pixels.back() ^= 1;
  EXPECT_NE(hash_images(train, test), data.source.hash);
  train.pixels.back() ^= 1;
  test.labels[3] ^= 1;
  EXPECT_NE(hash_images(train, test), data.source.hash);
}

TEST(DataConfig, WhatContradictsTheImagesIsNamed) {
  expect_error(ExitCode::config, {"data.pad_to", "6x5", "5x5"}, [] { open(R"(, "pad_to": 5)"); });
  expect_error(ExitCode::config, {"data.normalize", "1 means", "3 channels"},
               [] { open(R"(, "normalize": {"mean": [0.5], "std": [0.5]})"); });
}

TEST(DataConfig, WhatContradictsItselfIsNamedWithItsPath) {
  const auto refused = [](std::initializer_list<std::string> parts, const std::string& json) {
    expect_error(ExitCode::config, parts, [&] { read_data_config(json); });
  };
  refused({"test.json", "source"}, "{}");
  refused({"test.json", "source", "cifar11", "cifar10"}, R"({"source": "cifar11"})");
  refused({"test.json", "source", "path"}, R"({"source": "cifar10"})");
  refused({"normalize", "mean has 2", "std has 1"},
          "{" + small + R"(, "normalize": {"mean": [0.5, 0.5], "std": [0.5]}})");
  refused({"normalize.std"}, "{" + small + R"(, "normalize": {"mean": [0.5], "std": [0]}})");
  refused({"normalize", "std"}, "{" + small + R"(, "normalize": {"mean": [0.5]}})");
  refused({"augment.crop_padding"}, "{" + small + R"(, "augment": {"crop_padding": -1}})");
  refused({"augment", "horizontal_flp", "horizontal_flip"},
          "{" + small + R"(, "augment": {"horizontal_flp": true}})");
  refused({"pad_to"}, "{" + small + R"(, "pad_to": -1})");
  refused({"train_limit"}, "{" + small + R"(, "train_limit": -1})");
}

// The digest of "abc", from FIPS 180-2, appendix B.1.
TEST(Sha256, AgreesWithTheStandard) {
  Sha256 hash;
  hash.add(std::vector<std::uint8_t>{'a'});
  hash.add(std::vector<std::uint8_t>{'b', 'c'});
  EXPECT_EQ(hash.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

// Normalisation constants that shared/data/README.md and findings.md publish, to their four digits.
TEST(RealData, MeasuredConstantsAreThePublishedOnes) {
  ESPALIER_NEEDS_FOLDER(mnist, "ESPALIER_DATA", "mnist");
  ESPALIER_NEEDS_FOLDER(cifar, "ESPALIER_DATA", "cifar-10-batches-bin");
  const auto measured = [](const std::string& type, const std::filesystem::path& path) {
    return open_data(read_data_config(R"({"source": {"type": ")" + type + R"(", "path": ")" + path.string() +
                                      R"("}})"))
        .preprocessing.normalization;
  };
  const Normalization m = measured("mnist", mnist), c = measured("cifar10", cifar);
  EXPECT_NEAR(m.mean[0], 0.1307, 5e-5);
  EXPECT_NEAR(m.std[0], 0.3081, 5e-5);
  const double mean[] = {0.4913, 0.4821, 0.4465}, deviation[] = {0.2452, 0.2428, 0.2606};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(c.mean[i], mean[i], 5e-5);
    EXPECT_NEAR(c.std[i], deviation[i], 5e-5);
  }
}

}  // namespace
}  // namespace espalier
