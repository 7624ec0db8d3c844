// mnist_test.cpp: IDX files announce their size in the header; what does not agree with it is refused.
#include <gtest/gtest.h>

#include "framework/data/hash.h"
#include "tests/support/data_sets.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

using testing::expect_error;
using testing::open_source;
using testing::TempFolder;
using Bytes = std::vector<std::uint8_t>;

void append(Bytes& bytes, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(value >> shift));
}
Bytes image_file(std::uint32_t count, std::uint32_t height = 2, std::uint32_t width = 3) {
  Bytes bytes;
  for (std::uint32_t word : {2051u, count, height, width}) append(bytes, word);
  for (std::uint32_t i = 0; i < count * height * width; ++i)
    bytes.push_back(static_cast<std::uint8_t>(i * 5));
  return bytes;
}
Bytes label_file(const Bytes& labels) {
  Bytes bytes;
  for (std::uint32_t word : {2049u, static_cast<std::uint32_t>(labels.size())}) append(bytes, word);
  bytes.insert(bytes.end(), labels.begin(), labels.end());
  return bytes;
}

struct IdxFolder {
  TempFolder folder;
  IdxFolder() {
    folder.write(train_images, image_file(3));
    folder.write("train-labels-idx1-ubyte", label_file({7, 0, 9}));
    folder.write("t10k-images-idx3-ubyte", image_file(2));
    folder.write("t10k-labels-idx1-ubyte", label_file({1, 2}));
  }
  DataSource open() const { return open_source("mnist", {{"path", folder.str()}}); }
  void gzip(const std::string& name) const {
    ASSERT_EQ(std::system(("gzip '" + (folder / name).string() + "'").c_str()), 0);
  }
  /// What is said when the training images are `bytes`.
  void expect(std::initializer_list<std::string> parts, const Bytes& bytes,
              const std::string& name = "train-images-idx3-ubyte") const {
    folder.write(name, bytes);
    expect_error(ExitCode::data, parts, [&] { open(); });
  }
  static constexpr const char* train_images = "train-images-idx3-ubyte";
};

TEST(Mnist, ReadsImagesAndLabels) {
  const DataSource source = IdxFolder().open();
  EXPECT_EQ(source.train.labels, (std::vector<std::int32_t>{7, 0, 9}));
  EXPECT_EQ(source.test.labels, (std::vector<std::int32_t>{1, 2}));
  EXPECT_EQ(source.train.height, 2);
  EXPECT_EQ(source.train.width, 3);
  EXPECT_EQ(source.train.channels, 1);
  ASSERT_EQ(source.train.pixels.size(), 18u);
  for (std::size_t i = 0; i < 18; ++i) EXPECT_EQ(source.train.pixels[i], i * 5);
  EXPECT_EQ(source.classes(), 10);
}

TEST(Mnist, PlainAndGzippedFilesAreTheSame) {
  const IdxFolder plain, packed;
  for (const char* name : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"})
    packed.gzip(name);
  const DataSource a = plain.open(), b = packed.open();
  EXPECT_EQ(a.train.pixels, b.train.pixels);
  EXPECT_EQ(a.train.labels, b.train.labels);
  EXPECT_EQ(a.test.labels, b.test.labels);
}

TEST(Mnist, GzipIsToldByItsBytesAndNotByTheName) {
  const IdxFolder plain, packed;
  packed.gzip("train-images-idx3-ubyte");
  std::filesystem::rename(packed.folder / "train-images-idx3-ubyte.gz",
                          packed.folder / "train-images-idx3-ubyte");
  EXPECT_EQ(plain.open().train.pixels, packed.open().train.pixels);
}

TEST(Mnist, NothingIsUnpackedBeyondWhatTheHeaderInsideAnnounces) {
  const IdxFolder idx;
  Bytes long_file = image_file(3);
  long_file.resize(20'000'000);  // of zeros: 20 kB as gzip
  idx.folder.write("train-images-idx3-ubyte", long_file);
  idx.gzip("train-images-idx3-ubyte");
  expect_error(ExitCode::data, {"train-images-idx3-ubyte.gz", "more than the 34 bytes", "overlong"},
               [&] { idx.open(); });
  const IdxFolder lying;
  Bytes short_file = image_file(3);
  std::fill(short_file.begin() + 5, short_file.begin() + 8, std::uint8_t{0xff});
  lying.folder.write("train-images-idx3-ubyte", short_file);
  lying.gzip("train-images-idx3-ubyte");
  expect_error(ExitCode::data, {"train-images-idx3-ubyte.gz", "can't hold", "truncated"},
               [&] { lying.open(); });
}

TEST(Mnist, OtherSetsMayHaveMoreClasses) {
  const IdxFolder idx;
  idx.folder.write("train-labels-idx1-ubyte", label_file({7, 25, 9}));
  const DataSource source = open_source("mnist", {{"path", idx.folder.str()}, {"classes", 26}});
  EXPECT_EQ(source.classes(), 26);
  EXPECT_EQ(source.train.labels[1], 25);
}

TEST(Mnist, TheNamesAndFoldersOfOtherPublishersAreKnown) {
  const IdxFolder idx;
  const DataSource plain = idx.open();
  for (const std::string split : {"train", "t10k"})
    for (const std::string kind : {"images-idx3", "labels-idx1"}) {
      std::string dotted = kind;
      dotted[6] = '.';
      std::filesystem::rename(idx.folder / (split + "-" + kind + "-ubyte"),
                              idx.folder / (split + "-" + dotted + "-ubyte"));
    }
  EXPECT_EQ(idx.open().train.pixels, plain.train.pixels);  // train-images.idx3-ubyte
  idx.gzip("train-images.idx3-ubyte");
  EXPECT_EQ(idx.open().train.pixels, plain.train.pixels);

  const IdxFolder torchvision;
  for (const std::string below : {"raw", "MNIST/raw"}) {
    TempFolder root;
    std::filesystem::create_directories((root / below).parent_path());
    std::filesystem::copy(torchvision.folder.path(), root / below);
    EXPECT_EQ(open_source("mnist", {{"path", root.str()}}).train.pixels, plain.train.pixels) << below;
  }
}

TEST(Mnist, LabelsThatCountFromOneAreTakenSoWhereTheConfigSaysSo) {
  TempFolder folder;  // as EMNIST's letters are named and numbered
  const auto labels = [](int n) {
    Bytes all;
    for (int i = 0; i < n; ++i) all.push_back(static_cast<std::uint8_t>(1 + i % 26));
    return label_file(all);
  };
  folder.write("emnist-letters-train-images-idx3-ubyte", image_file(30));
  folder.write("emnist-letters-train-labels-idx1-ubyte", labels(30));
  folder.write("emnist-letters-test-images-idx3-ubyte", image_file(26));
  folder.write("emnist-letters-test-labels-idx1-ubyte", labels(26));
  nlohmann::json settings{{"path", folder.str()}, {"prefix", "emnist-letters-"}, {"classes", 26}};
  expect_error(ExitCode::data, {"labels-idx1-ubyte", "label 26", "count from 1", "\"first_label\": 1"},
               [&] { open_source("mnist", settings); });
  settings["first_label"] = 1;
  const DataSource source = open_source("mnist", settings);
  EXPECT_EQ(source.train.labels[0], 0);
  EXPECT_EQ(source.train.labels[25], 25);
  EXPECT_EQ(source.class_names[25], "26");
  folder.write("emnist-letters-train-labels-idx1-ubyte", label_file(Bytes(30, 0)));
  expect_error(ExitCode::data, {"label 0", "26 classes, numbered from 1"},
               [&] { open_source("mnist", settings); });
}

TEST(Mnist, FashionHasItsOwnClassNames) {
  const IdxFolder idx;
  EXPECT_EQ(open_source("fashion_mnist", {{"path", idx.folder.str()}}).class_names[9], "ankle boot");
}

TEST(Mnist, BadFilesAreNamedWithTheRuleTheyBreak) {
  const IdxFolder idx;
  Bytes bytes = image_file(3);
  bytes.pop_back();
  idx.expect({"train-images-idx3-ubyte", "33 bytes", "announces 34", "truncated"}, bytes);
  bytes = image_file(3);
  bytes.push_back(0);
  idx.expect({"train-images-idx3-ubyte", "35 bytes", "announces 34", "overlong"}, bytes);
  idx.expect({"train-images-idx3-ubyte", "magic number at byte 0 is 2049", "images", "2051"},
             label_file(Bytes(30, 1)));
  bytes.resize(10);
  idx.expect({"train-images-idx3-ubyte", "10 bytes", "header", "truncated"}, bytes);
  idx.expect({"train-images-idx3-ubyte", "0 bytes", "magic", "truncated"}, {});
  idx.expect({"train-images-idx3-ubyte", "no data"}, image_file(0));
  bytes = image_file(3);
  std::fill(bytes.begin() + 4, bytes.begin() + 16, std::uint8_t{0xff});  // 2^96 pixels: must not overflow
  idx.expect({"train-images-idx3-ubyte", "34 bytes", "truncated"}, bytes);
  idx.expect({"train-images-idx3-ubyte", "4 images", "train-labels-idx1-ubyte", "3 labels"}, image_file(4));
  idx.folder.write("train-images-idx3-ubyte", image_file(3));
  idx.expect({"train-labels-idx1-ubyte", "label 10", "byte 9", "image 1", "10 classes", "EMNIST"},
             label_file({7, 10, 9}), "train-labels-idx1-ubyte");
  idx.folder.write("train-labels-idx1-ubyte", label_file({7, 1, 9}));
  idx.expect({"2x3", "3x2", "alike"}, image_file(2, 3, 2), "t10k-images-idx3-ubyte");
}

TEST(Mnist, MissingFilesAreNamed) {
  const IdxFolder idx;
  std::filesystem::remove(idx.folder / "t10k-labels-idx1-ubyte");
  expect_error(ExitCode::data, {"/t10k-labels-idx1-ubyte", "no such file", ".gz"}, [&] { idx.open(); });
  const std::string longer_than_names = std::string(300, 'a');  // NAME_MAX is 255
  expect_error(ExitCode::data, {"/train-images-idx3-ubyte", "too long", "dataset-fashion-mnist"}, [&] {
    open_source("fashion_mnist", {{"path", longer_than_names}});
  });
  expect_error(ExitCode::data, {"/train-images-idx3-ubyte", "no such file", "dataset-fashion-mnist"}, [&] {
    open_source("fashion_mnist", {{"path", std::string("/nowhere")}});
  });
}

TEST(Mnist, CorruptGzipIsRefused) {
  const auto packed_with = [](auto change) {
    const IdxFolder idx;
    idx.folder.write("train-images-idx3-ubyte", image_file(40));  // long enough to be cut in the middle
    idx.folder.write("train-labels-idx1-ubyte", label_file(Bytes(40, 1)));
    idx.gzip("train-images-idx3-ubyte");
    const auto path = idx.folder / "train-images-idx3-ubyte.gz";
    std::ifstream file(path, std::ios::binary);
    Bytes bytes((std::istreambuf_iterator<char>(file)), {});
    change(bytes);
    idx.folder.write("train-images-idx3-ubyte.gz", bytes);
    idx.open();
  };
  const std::string name = "train-images-idx3-ubyte.gz";
  EXPECT_NO_THROW(packed_with([](Bytes&) {}));
  expect_error(ExitCode::data, {name, "too early", "truncated"},
               [&] { packed_with([](Bytes& b) { b.resize(b.size() / 2); }); });
  expect_error(ExitCode::data, {name, "truncated"},
               [&] { packed_with([](Bytes& b) { b.resize(b.size() - 4); }); });
  expect_error(ExitCode::data, {name, "truncated"}, [&] { packed_with([](Bytes& b) { b.clear(); }); });
  expect_error(ExitCode::data, {name, "overlong"}, [&] { packed_with([](Bytes& b) { b.push_back(0); }); });
  expect_error(ExitCode::data, {name, "corrupt", "incorrect data check"},
               [&] { packed_with([](Bytes& b) { b[b.size() - 8] ^= 1; }); });  // the CRC
  expect_error(ExitCode::data, {name, "magic number"}, [&] { packed_with([](Bytes& b) { b[0] = 0; }); });
}

TEST(RealMnist, CountsAndFirstLabel) {
  ESPALIER_NEEDS_FOLDER(folder, "ESPALIER_DATA", "mnist");
  const DataSource source = open_source("mnist", {{"path", folder.string()}});
  EXPECT_EQ(source.train.size(), 60000);
  EXPECT_EQ(source.test.size(), 10000);
  EXPECT_EQ(source.train.image_bytes(), 784);
  EXPECT_EQ(source.train.labels[0], 5);
  EXPECT_EQ(source.test.labels[0], 7);
}

TEST(RealFashionMnist, CountsAndFirstLabel) {
  ESPALIER_NEEDS_FOLDER(folder, "ESPALIER_DATA", "fashion-mnist");
  const DataSource source = open_source("fashion_mnist", {{"path", folder.string()}});
  EXPECT_EQ(source.train.size(), 60000);
  EXPECT_EQ(source.test.size(), 10000);
  EXPECT_EQ(source.class_names[source.train.labels[0]], "ankle boot");
  const char* packed = "/usr/share/datasets/fashion-mnist";
  if (std::filesystem::exists(packed)) {
    const DataSource same = open_source("fashion_mnist", nlohmann::json::object());
    EXPECT_EQ(hash_images(same.train, same.test), hash_images(source.train, source.test));
  }
}

}  // namespace
}  // namespace espalier
