// cifar_test.cpp: CIFAR's binary files are records of label and colour planes, and nothing but.
#include <gtest/gtest.h>

#include "tests/support/data_sets.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

using testing::expect_error;
using testing::open_source;
using testing::TempFolder;
using Bytes = std::vector<std::uint8_t>;
using Names = std::vector<std::string>;

/// The byte of plane c (red, green, blue) at pixel p of record r; any rule that tells all of them apart does.
std::uint8_t byte_of(Index r, Index c, Index p) {
  return static_cast<std::uint8_t>((r * 31 + c * 85 + p * 7) % 251);
}

/// Records with the label bytes given, one list for each record.
Bytes records(const std::vector<std::vector<std::uint8_t>>& labels) {
  Bytes bytes;
  for (std::size_t r = 0; r < labels.size(); ++r) {
    bytes.insert(bytes.end(), labels[r].begin(), labels[r].end());
    for (Index c = 0; c < 3; ++c)
      for (Index p = 0; p < 1024; ++p) bytes.push_back(byte_of(static_cast<Index>(r), c, p));
  }
  return bytes;
}

/// A folder with small files under names that are not the standard ones.
struct Cifar10Folder {
  TempFolder folder;
  Cifar10Folder() {
    folder.write("a.bin", records({{3}, {0}}));
    folder.write("b.bin", records({{9}}));
    folder.write("t.bin", records({{1}, {2}}));
  }
  DataSource open(const Names& train = {"a.bin", "b.bin"}) const {
    return open_source("cifar10",
                       {{"path", folder.str()}, {"train_files", train}, {"test_files", Names{"t.bin"}}});
  }
};

TEST(Cifar10, PlanesBecomeInterleavedPixelsInFileOrder) {
  const DataSource source = Cifar10Folder().open();
  EXPECT_EQ(source.train.labels, (std::vector<std::int32_t>{3, 0, 9}));
  EXPECT_EQ(source.test.labels, (std::vector<std::int32_t>{1, 2}));
  ASSERT_EQ(source.train.image_bytes(), 3072);
  for (Index i = 0; i < 3; ++i)
    for (Index p = 0; p < 1024; ++p)
      for (Index c = 0; c < 3; ++c)
        ASSERT_EQ(source.train.image(i)[p * 3 + c], byte_of(i % 2, c, p));  // b.bin restarts
}

TEST(Cifar10, ClassNamesComeFromTheMetaFileOrAreTheStandardTen) {
  const Cifar10Folder cifar;
  EXPECT_EQ(cifar.open().class_names[6], "frog");
  cifar.folder.write_text("batches.meta.txt", "a\nb\nc\nd\ne\nf\nFrosch\nh\ni\nj\n\n");
  EXPECT_EQ(cifar.open().class_names[6], "Frosch");
  cifar.folder.write_text("batches.meta.txt", "a\nb\n");
  expect_error(ExitCode::data, {"batches.meta.txt", "2 class names", "must be 10"}, [&] { cifar.open(); });
}

TEST(Cifar10, BadFilesAreNamedWithTheRuleTheyBreak) {
  const Cifar10Folder cifar;
  const TempFolder& folder = cifar.folder;
  expect_error(ExitCode::data, {"/missing.bin", "no such file", "data.source.path"}, [&] {
    cifar.open({"a.bin", "missing.bin"});
  });
  folder.write("empty.bin", {});
  expect_error(ExitCode::data, {"/empty.bin", "is empty"}, [&] { cifar.open({"empty.bin"}); });

  Bytes bytes = records({{1}, {2}});
  bytes.resize(5000);
  folder.write("cut.bin", bytes);
  expect_error(ExitCode::data, {"/cut.bin", "5000 bytes", "3073", "1927 left over", "truncated"},
               [&] { cifar.open({"cut.bin"}); });
  folder.write("label.bin", records({{1}, {2}, {10}}));
  expect_error(ExitCode::data, {"/label.bin", "label 10", "byte 6146", "record 2", "0 to 9"},
               [&] { cifar.open({"label.bin"}); });
  std::filesystem::create_directory(folder / "folder.bin");
  expect_error(ExitCode::data, {"/folder.bin", "not a regular file"}, [&] { cifar.open({"folder.bin"}); });
  expect_error(ExitCode::config, {"train_files", "test_files"}, [&] { cifar.open(Names{}); });
}

TEST(Cifar10, StandardFilesMustHoldTenThousandRecords) {
  const TempFolder folder;
  for (int b = 1; b <= 5; ++b) folder.write("data_batch_" + std::to_string(b) + ".bin", records({{1}, {2}}));
  folder.write("test_batch.bin", records({{1}}));
  expect_error(ExitCode::data, {"/data_batch_1.bin", "2 records", "10000", "train_files"}, [&] {
    open_source("cifar10", {{"path", folder.str()}});
  });
}

TEST(Cifar100, FineAndCoarseLabels) {
  const TempFolder folder;
  folder.write("a.bin", records({{19, 99}, {4, 50}}));
  const auto open = [&](const std::string& labels) {
    return open_source("cifar100", {{"path", folder.str()},
                                    {"labels", labels},
                                    {"train_files", Names{"a.bin"}},
                                    {"test_files", Names{"a.bin"}}});
  };
  const DataSource fine = open("fine"), coarse = open("coarse");
  EXPECT_EQ(fine.train.labels, (std::vector<std::int32_t>{99, 50}));
  EXPECT_EQ(coarse.train.labels, (std::vector<std::int32_t>{19, 4}));
  EXPECT_EQ(fine.classes(), 100);
  EXPECT_EQ(coarse.classes(), 20);
  EXPECT_EQ(fine.train.pixels, coarse.train.pixels);
  EXPECT_EQ(fine.train.image(1)[5], byte_of(1, 2, 1));

  folder.write("a.bin", records({{20, 99}}));
  EXPECT_EQ(open("fine").train.labels[0], 99);
  expect_error(ExitCode::data, {"/a.bin", "label 20", "byte 0", "0 to 19"}, [&] { open("coarse"); });
  folder.write("a.bin", records({{2, 100}}));
  expect_error(ExitCode::data, {"/a.bin", "label 100", "byte 1", "0 to 99"}, [&] { open("fine"); });
}

TEST(Cifar100, StandardFilesMustBeComplete) {
  const TempFolder folder;
  folder.write("train.bin", records({{1, 1}}));
  folder.write("test.bin", records({{1, 1}}));
  expect_error(ExitCode::data, {"/train.bin", "1 records", "50000"}, [&] {
    open_source("cifar100", {{"path", folder.str()}});
  });
}

TEST(RealCifar10, IsCompleteAndBalanced) {
  ESPALIER_NEEDS_FOLDER(folder, "ESPALIER_DATA", "cifar-10-batches-bin");
  const DataSource source = open_source("cifar10", {{"path", folder.string()}});
  ASSERT_EQ(source.train.size(), 50000);
  ASSERT_EQ(source.test.size(), 10000);
  std::vector<int> train(10), test(10);
  for (int label : source.train.labels) ++train[label];
  for (int label : source.test.labels) ++test[label];
  EXPECT_EQ(train, std::vector<int>(10, 5000));
  EXPECT_EQ(test, std::vector<int>(10, 1000));
  EXPECT_EQ(source.class_names[source.train.labels[0]], "frog");
  EXPECT_EQ(source.class_names[source.test.labels[0]], "cat");
}

}  // namespace
}  // namespace espalier
