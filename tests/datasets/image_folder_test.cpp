// image_folder_test.cpp: folders are classes; every image must be readable and of one size.
#include <gtest/gtest.h>

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#include <stb_image_write.h>

#include "tests/support/data_sets.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

using testing::expect_error;
using testing::open_source;
using testing::TempFolder;
using Bytes = std::vector<std::uint8_t>;

/// An image of one colour with its first pixel black.
Bytes pixels(int height, int width, int red, int green, int blue) {
  Bytes bytes;
  for (int p = 0; p < height * width; ++p)
    for (int v : {red, green, blue}) bytes.push_back(static_cast<std::uint8_t>(p ? v : 0));
  return bytes;
}

struct ImageFolder {
  TempFolder folder;
  void add(const std::string& name, int red = 10, int green = 20, int blue = 30, int height = 4,
           int width = 5) const {
    const auto path = folder / name;
    std::filesystem::create_directories(path.parent_path());
    const Bytes bytes = pixels(height, width, red, green, blue);
    if (path.extension() == ".png" || path.extension() == ".PNG")
      ASSERT_NE(stbi_write_png(path.c_str(), width, height, 3, bytes.data(), width * 3), 0);
    else
      ASSERT_NE(stbi_write_jpg(path.c_str(), width, height, 3, bytes.data(), 95), 0);
  }
  ImageFolder() {
    add("train/cat/1.png", 11);
    add("train/cat/2.PNG", 12);
    add("train/ant/b.png", 21);
    add("train/ant/a.png", 22);
    add("test/cat/x.png", 31);
  }
  DataSource open(int channels = 3) const {
    return open_source("image_folder", {{"path", folder.str()}, {"channels", channels}});
  }
  void expect(std::initializer_list<std::string> parts) const {
    expect_error(ExitCode::data, parts, [&] { open(); });
  }
};

TEST(ImageFolder, ClassesAndFilesAreSortedByName) {
  const DataSource source = ImageFolder().open();
  EXPECT_EQ(source.class_names, (std::vector<std::string>{"ant", "cat"}));
  EXPECT_EQ(source.train.labels, (std::vector<std::int32_t>{0, 0, 1, 1}));
  EXPECT_EQ(source.test.labels, (std::vector<std::int32_t>{1}));  // cat, though no ant is there
  const int red[] = {22, 21, 11, 12};
  for (Index i = 0; i < 4; ++i) {
    const Bytes image(source.train.image(i).begin(), source.train.image(i).end());
    EXPECT_EQ(image, pixels(4, 5, red[i], 20, 30)) << i;
  }
}

TEST(ImageFolder, GreyIsOneChannel) {
  const DataSource source = ImageFolder().open(1);
  EXPECT_EQ(source.train.channels, 1);
  ASSERT_EQ(source.train.image(2).size(), 20u);
  EXPECT_EQ(source.train.image(2)[0], 0);
  // ITU-R BT.601 luma of (11, 20, 30) is 18.4.
  EXPECT_NEAR(source.train.image(2)[7], 18.4, 1);
  expect_error(ExitCode::config, {"test.json", "channels is 2", "1 or 3"}, [] { ImageFolder().open(2); });
}

TEST(ImageFolder, ReadsJpeg) {
  const ImageFolder images;
  images.add("train/cat/0.jpg", 200, 100, 50);
  images.add("train/cat/0.JPEG", 200, 100, 50);
  const DataSource source = images.open();
  ASSERT_EQ(source.train.size(), 6);
  const auto image =
      source.train.image(2);  // JPEG is lossy: 8 of 255 at quality 95, away from the black pixel
  EXPECT_NEAR(image[image.size() - 3], 200, 8);
  EXPECT_NEAR(image[image.size() - 2], 100, 8);
  EXPECT_NEAR(image[image.size() - 1], 50, 8);
}

TEST(ImageFolder, OtherFilesAndHiddenFoldersAreNoImages) {
  const ImageFolder images;
  images.folder.write_text("train/cat/notes.txt", "not an image");
  images.folder.write_text("train/README", "not a class");
  std::filesystem::create_directories(images.folder / "train/.thumbnails");
  EXPECT_EQ(images.open().train.size(), 4);
}

TEST(ImageFolder, UnreadableImagesAreNamedWithTheReason) {
  const ImageFolder images;
  const auto path = images.folder.write_text("train/cat/9.png", "this is text");
  images.expect({path.string(), "plain text"});
  images.folder.write("train/cat/9.png", {});
  images.expect({path.string(), "empty file"});

  images.add("train/cat/9.jpg");
  std::filesystem::remove(path);
  const auto jpeg = images.folder / "train/cat/9.jpg";
  std::filesystem::resize_file(jpeg, std::filesystem::file_size(jpeg) - 8);
  images.expect({jpeg.string(), "cannot be read as JPEG", "end of"});
}

// On such a table stb_image 2.27, which once read these files, writes out of bounds.
TEST(ImageFolder, AJpegWithAnImpossibleHuffmanTableIsRefused) {
  const ImageFolder images;
  images.add("train/cat/9.jpg");
  const auto path = images.folder / "train/cat/9.jpg";
  std::ifstream file(path, std::ios::binary);
  Bytes bytes((std::istreambuf_iterator<char>(file)), {});
  const Bytes marker{0xff, 0xc4};
  const auto table = std::search(bytes.begin(), bytes.end(), marker.begin(), marker.end());
  ASSERT_LT(table + 20, bytes.end());
  *(table + 12) = 255;  // 255 codes of 8 bits
  *(table + 13) = 255;  // and of 9
  images.folder.write("train/cat/9.jpg", bytes);
  images.expect({path.string(), "cannot be read as JPEG", "Huffman"});
}

TEST(ImageFolder, ATruncatedPngIsRefused) {
  const ImageFolder images;
  const auto path = images.folder / "train/cat/1.png";
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 20);
  images.expect({path.string(), "cannot be read"});
}

TEST(ImageFolder, ImagesOfDifferentSizesAreBothNamed) {
  const ImageFolder images;
  images.add("test/cat/y.png", 1, 2, 3, 5, 4);
  images.expect({"/test/cat/y.png", "5x4", "/train/ant/a.png", "4x5", "one size"});
}

TEST(ImageFolder, AllFilesThatDoNotFitAreNamedAtOnce) {
  const ImageFolder images;
  images.add("train/cat/x.png", 1, 2, 3, 5, 4);
  images.add("train/cat/y.png", 1, 2, 3, 6, 4);
  images.folder.write_text("train/cat/z.png", "text");
  images.expect({"/train/cat/x.png", "5x4", "/train/cat/y.png", "6x4", "/train/cat/z.png", "plain text"});
}

TEST(ImageFolder, FilesThatAreNotReadAreCounted) {
  const ImageFolder images;
  images.folder.write_text("train/ant/._a.png", "what macOS keeps beside a.png");
  images.folder.write_text("train/ant/notes.txt", "no picture");
  images.folder.write_text("train/ant/old/b.png", "in a folder of its own");
  const DataSource source = images.open();
  EXPECT_EQ(source.train.size(), 4);
  ASSERT_EQ(source.notices.size(), 1U);
  for (const char* part : {"4 picture(s) read", "1 hidden file(s)", "1 folder(s)", "/train/ant/old",
                           "1 file(s) that are no .jpg", "notes.txt"})
    EXPECT_NE(source.notices[0].find(part), std::string::npos) << part << " in " << source.notices[0];
}

TEST(ImageFolder, TheTestImagesCanBeReadAlone) {
  const ImageFolder images;
  const DataSource all = images.open();
  std::filesystem::remove_all(images.folder / "train");
  DataConfig config = testing::read_data_config(R"({"source": {"type": "image_folder", "path": ")" +
                                                images.folder.str() + "\"}}");
  expect_error(ExitCode::data, {"/train"}, [&] { open_data(config, DataUse::test); });  // to measure on
  config.normalize = Normalization{{0.5, 0.5, 0.5}, {1, 1, 1}};
  const LoadedData alone = open_data(config, DataUse::test);
  EXPECT_EQ(alone.source.test.pixels, all.test.pixels);
  EXPECT_EQ(alone.source.train.size(), 0);
}

TEST(ImageFolder, FoldersThatHoldNothingAreNamed) {
  const ImageFolder images;
  std::filesystem::create_directories(images.folder / "train/dog");
  images.folder.write_text("train/dog/Thumbs.db", "");
  images.expect({"/train/dog", "class folder has no .jpg", "1 others"});
  std::filesystem::remove_all(images.folder / "train/dog");
  std::filesystem::remove_all(images.folder / "test/cat");
  images.expect({"/test", "no class folder"});
  std::filesystem::remove_all(images.folder / "test");
  images.expect({"/test", "no such folder"});
  expect_error(ExitCode::data, {"/train", "no such folder"}, [] {
    open_source("image_folder", {{"path", std::string(300, 'a')}});  // NAME_MAX is 255
  });
  expect_error(ExitCode::data, {"/nowhere/train", "no such folder"}, [] {
    open_source("image_folder", {{"path", std::string("/nowhere")}});
  });
}

TEST(ImageFolder, ATestClassMustBeTrained) {
  const ImageFolder images;
  images.add("test/bee/1.png");
  images.expect({"/test/bee", "'bee'", "ant, cat"});
}

TEST(ImageFolder, AShareOfEveryClassCanBeHeldOut) {
  const ImageFolder images;
  for (int i = 0; i < 8; ++i) images.add(fmt::format("train/cat/more{}.png", i), 100 + i);
  std::filesystem::remove_all(images.folder / "test");
  const auto open = [&](const std::string& path, double share, int seed = 1) {
    return open_source("image_folder", {{"path", path}, {"test_share", share}, {"split_seed", seed}});
  };
  const DataSource source = open(images.folder.str(), 0.3);  // 2 ants and 10 cats
  EXPECT_EQ(source.train.labels, (std::vector<std::int32_t>{0, 1, 1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(source.test.labels, (std::vector<std::int32_t>{0, 1, 1, 1}));
  EXPECT_EQ(open(images.folder.str(), 0.3).test.pixels, source.test.pixels);
  EXPECT_NE(open(images.folder.str(), 0.3, 2).test.pixels, source.test.pixels) << "drawn by the seed";
  EXPECT_EQ(open((images.folder / "train").string(), 0.3).test.pixels, source.test.pixels)
      << "the classes may lie in the folder itself";
  std::filesystem::remove(images.folder / "train/ant/a.png");
  expect_error(ExitCode::data, {"class 'ant' has one picture"}, [&] { open(images.folder.str(), 0.3); });
}

TEST(ImageFolder, ListsNameWhatFoldersDoNot) {
  const ImageFolder images;
  images.folder.write_text("train.txt", "train/cat/1.png 1\ntrain/cat/2.PNG\t1\n\ntrain/ant/a.png 0\r\n");
  images.folder.write_text("test.txt", "train/ant/b.png,0\n");
  nlohmann::json settings{
      {"path", images.folder.str()}, {"train_list", "train.txt"}, {"test_list", "test.txt"}};
  const DataSource numbered = open_source("image_folder", settings);
  EXPECT_EQ(numbered.train.labels, (std::vector<std::int32_t>{1, 1, 0}));
  EXPECT_EQ(numbered.test.labels, (std::vector<std::int32_t>{0}));
  EXPECT_EQ(numbered.class_names, (std::vector<std::string>{"0", "1"}));
  EXPECT_EQ(numbered.test.image(0)[3], 21);
  settings["list_classes"] = {"ant", "cat"};
  EXPECT_EQ(open_source("image_folder", settings).class_names[1], "cat");

  images.folder.write_text("train.txt", "train/cat/1.png cat\ntrain/ant/a.png ant\n");
  images.folder.write_text("test.txt", "train/ant/b.png ant\n");
  settings.erase("list_classes");
  EXPECT_EQ(open_source("image_folder", settings).class_names, (std::vector<std::string>{"ant", "cat"}));
  images.folder.write_text("test.txt", "train/ant/b.png bee\n");
  expect_error(ExitCode::data, {"test.txt: entry 1", "\"bee\"", "none of the 2"},
               [&] { open_source("image_folder", settings); });
  images.folder.write_text("test.txt", "train/ant/b.png\n");
  expect_error(ExitCode::data, {"test.txt: entry 1", "is not a path and a class"},
               [&] { open_source("image_folder", settings); });
  settings.erase("test_list");
  expect_error(ExitCode::config, {"train_list needs test_list or test_share"},
               [&] { open_source("image_folder", settings); });
  settings["test_share"] = 0.5;
  expect_error(ExitCode::data, {"class 'ant' has one picture"},
               [&] { open_source("image_folder", settings); });
}

TEST(ImageFolder, FoldersMayHaveOtherNames) {
  const ImageFolder images;
  std::filesystem::rename(images.folder / "test", images.folder / "val");
  images.expect({"/test", "no such folder", "test_folder", "test_share"});
  EXPECT_EQ(open_source("image_folder", {{"path", images.folder.str()}, {"test_folder", "val"}}).test.size(),
            1);
}

TEST(ImageFolder, DamagedFilesAreSkippedWhereTheConfigSaysSo) {
  const ImageFolder images;
  images.folder.write_text("train/ant/0.png", "this is text");
  images.expect({"train/ant/0.png", "plain text"});
  const DataSource source = open_source("image_folder", {{"path", images.folder.str()}, {"damaged", "skip"}});
  EXPECT_EQ(source.train.labels, (std::vector<std::int32_t>{0, 0, 1, 1}));
  EXPECT_EQ(source.train.image(0)[3], 22) << "pixels and labels still belong together";
  ASSERT_EQ(source.notices.size(), 1u);
  EXPECT_NE(source.notices[0].find("1 of 5 pictures cannot be read and are left out"), std::string::npos);
}

TEST(RealImageFolder, SampleJpegs) {
  ESPALIER_NEEDS_FOLDER(folder, "ESPALIER_SHARED", "data/cifar10/sample-jpeg");
  const DataSource source = open_source("image_folder", {{"path", folder.string()}});
  EXPECT_EQ(source.train.size(), 200);
  EXPECT_EQ(source.test.size(), 100);
  EXPECT_EQ(source.classes(), 10);
  EXPECT_EQ(source.class_names[3], "cat");
  EXPECT_EQ(source.train.labels[60], 3);  // 20 a class
  EXPECT_EQ(source.train.image_bytes(), 3072);
}

}  // namespace
}  // namespace espalier
