// resize_test.cpp: pictures are scaled as Pillow scales them, and cut as torchvision cuts them.
#include "framework/data/resize.h"

#include <gtest/gtest.h>

#include <cmath>

#include "framework/data/fit.h"
#include "tests/support/external.h"
#include "tests/support/pictures.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

using testing::pattern;
using Bytes = std::vector<std::uint8_t>;

Bytes resized(const Bytes& pixels, int height, int width, int channels, int to_height, int to_width) {
  Bytes out(std::size_t(to_height) * std::size_t(to_width) * std::size_t(channels));
  resize_bilinear({pixels.data(), height, width, channels}, {0, 0, height, width}, to_height, to_width,
                  {0, 0, to_height, to_width}, out.data());
  return out;
}

struct Distance {
  double mean = 0;
  int most = 0;
};
Distance distance(const Bytes& a, const Bytes& b) {
  EXPECT_EQ(a.size(), b.size());
  Distance d;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const int difference = std::abs(int{a[i]} - int{b[i]});
    d.mean += difference / static_cast<double>(a.size());
    d.most = std::max(d.most, difference);
  }
  return d;
}

// What Image.resize((9, 6), Image.BILINEAR) of Pillow 9.4 makes of pattern(37, 53, 3).
TEST(Resize, IsPillows) {
  const Bytes recorded{
      71,  121, 169, 113, 162, 183, 155, 180, 126, 183, 142, 73, 153, 79, 85,  94,  74, 119, 75, 113, 162,
      105, 155, 184, 141, 181, 149, 148, 180, 138, 179, 149, 87, 164, 86, 78,  104, 74, 114, 74, 105, 155,
      94,  144, 180, 138, 176, 153, 175, 164, 94,  177, 101, 73, 171, 90, 78,  108, 73, 112, 77, 103, 153,
      95,  144, 179, 135, 177, 163, 171, 168, 101, 176, 103, 74, 118, 73, 103, 78,  91, 140, 77, 103, 152,
      94,  142, 181, 133, 173, 176, 174, 162, 105, 182, 112, 75, 126, 75, 99,  77,  94, 142, 85, 133, 175,
      121, 166, 173, 135, 181, 153, 169, 172, 100, 180, 117, 79, 150, 64, 99,  88,  89, 137, 82, 129, 175,
      122, 170, 174, 161, 184, 110, 191, 128, 70,  184, 138, 61, 134, 78, 87,  84,  79, 128, 74, 119, 169,
      111, 161, 182, 149, 188, 133, 188, 138, 78,  155, 85,  80, 99,  71, 115};
  const Distance d = distance(resized(pattern(37, 53, 3), 37, 53, 3, 6, 9), recorded);
  EXPECT_LE(d.mean, 0.05);  // halves may be rounded to the other side
  EXPECT_LE(d.most, 1);
}

TEST(Resize, ToTheSameExtentsIsTheSame) {
  EXPECT_EQ(resized(pattern(9, 7, 3), 9, 7, 3, 9, 7), pattern(9, 7, 3));
  EXPECT_EQ(resized(pattern(9, 7, 1), 9, 7, 1, 9, 7), pattern(9, 7, 1));
  EXPECT_EQ(resized(pattern(9, 7, 5), 9, 7, 5, 9, 7), pattern(9, 7, 5));
}

TEST(Resize, AWindowIsAPartOfTheWholeAndABoxKnowsNothingAroundIt) {
  const Bytes pixels = pattern(37, 53, 3), whole = resized(pixels, 37, 53, 3, 20, 30);
  Bytes window(4 * 5 * 3);
  resize_bilinear({pixels.data(), 37, 53, 3}, {0, 0, 37, 53}, 20, 30, {7, 11, 4, 5}, window.data());
  for (int y = 0; y < 4; ++y)
    for (int i = 0; i < 15; ++i) EXPECT_EQ(window[y * 15 + i], whole[((7 + y) * 30 + 11) * 3 + i]);

  Bytes cut;  // the box as a picture of its own
  for (int y = 5; y < 25; ++y)
    cut.insert(cut.end(), pixels.begin() + (y * 53 + 8) * 3, pixels.begin() + (y * 53 + 48) * 3);
  Bytes of_box(7 * 9 * 3);
  resize_bilinear({pixels.data(), 37, 53, 3}, {5, 8, 20, 40}, 7, 9, {0, 0, 7, 9}, of_box.data());
  EXPECT_EQ(of_box, resized(cut, 20, 40, 3, 7, 9));
}

TEST(Fit, ACropLargerThanThePictureIsBlackAround) {
  const Bytes white(4 * 2 * 1, 255);
  Bytes out(6 * 5);
  fit_picture({white.data(), 4, 2, 1}, {.crop_height = 6, .crop_width = 5}, out.data());
  int bright = 0;
  for (int y = 0; y < 6; ++y)
    for (int x = 0; x < 5; ++x) {
      bright += out[y * 5 + x] == 255;
      EXPECT_EQ(out[y * 5 + x], y >= 1 && y < 5 && x >= 1 && x < 3 ? 255 : 0) << y << " " << x;
    }
  EXPECT_EQ(bright, 8);
}

/// Files made by Pillow and torchvision, and what they make of them.
TEST(Fit, IsTorchvisionsResizeAndCentreCrop) {
  if (!testing::python_has("PIL, torchvision")) GTEST_SKIP() << "needs python3-pil and python3-torchvision";
  const testing::TempFolder folder;
  const struct {
    int height, width, resize, crop_height, crop_width;
  } cases[] = {{480, 640, 256, 224, 224}, {375, 500, 256, 224, 224}, {501, 333, 256, 224, 224},
               {100, 80, 256, 224, 224},  {64, 64, 32, 32, 32},      {37, 53, 20, 19, 16},
               {37, 53, 0, 21, 20},       {30, 40, 16, 24, 30},      {2000, 31, 33, 20, 20}};
  for (const auto& k : cases) {
    const Bytes pixels = pattern(k.height, k.width, 3);
    folder.write("in", pixels);
    const std::string command = fmt::format(
        R"py({} -W ignore -c "
from PIL import Image
from torchvision import transforms as t
i = Image.frombytes('RGB', ({}, {}), open('{}', 'rb').read())
if {}: i = t.Resize({})(i)
open('{}', 'wb').write(t.CenterCrop(({}, {}))(i).tobytes())")py",
        testing::python(), k.width, k.height, (folder / "in").string(), k.resize, k.resize, (folder / "out").string(),
        k.crop_height, k.crop_width);
    ASSERT_EQ(std::system(command.c_str()), 0);
    std::ifstream file(folder / "out", std::ios::binary);
    const Bytes theirs((std::istreambuf_iterator<char>(file)), {});
    Bytes ours(theirs.size());
    fit_picture({pixels.data(), k.height, k.width, 3},
                {.resize = k.resize, .crop_height = k.crop_height, .crop_width = k.crop_width}, ours.data());
    const Distance d = distance(ours, theirs);
    EXPECT_LE(d.mean, 0.05) << k.height << "x" << k.width;
    EXPECT_LE(d.most, 1) << k.height << "x" << k.width;
  }
}

TEST(RandomCrop, LiesInThePictureWithTheAreasAndRatiosAskedFor) {
  const RandomResizedCrop settings;
  double smallest = 1, largest = 0;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    Random random(seed, Random::Use::test);
    const Box box = draw_crop(settings, 300, 400, random);
    EXPECT_TRUE(box.top >= 0 && box.left >= 0 && box.top + box.height <= 300 && box.left + box.width <= 400);
    const double area = static_cast<double>(box.height * box.width) / (300 * 400),
                 ratio = static_cast<double>(box.width) / static_cast<double>(box.height);
    EXPECT_TRUE(ratio > 0.73 && ratio < 1.37) << ratio;  // extents are whole numbers
    smallest = std::min(smallest, area);
    largest = std::max(largest, area);
  }
  EXPECT_NEAR(smallest, 0.08, 0.01);
  EXPECT_GT(largest, 0.9);
  Random random(1, Random::Use::test);
  const Box box = draw_crop(settings, 1000, 3, random);  // no ratio fits: the middle
  EXPECT_EQ(box.width, 3);
  EXPECT_EQ(box.height, 4);
  EXPECT_EQ(box.top, 498);
}

TEST(ColorJitter, ChangesWhatItSaysAndNothingElse) {
  const Bytes before = pattern(10, 10, 3);
  const auto changed = [&](const ColorJitter& settings, std::uint64_t seed) {
    Bytes pixels = before;
    Random random(seed, Random::Use::test);
    jitter_colors(settings, pixels.data(), 100, 3, random);
    return pixels;
  };
  EXPECT_EQ(changed({}, 1), before);
  EXPECT_EQ(changed({.brightness = 0.4, .contrast = 0.4, .saturation = 0.4, .hue = 0.1}, 1),
            changed({.brightness = 0.4, .contrast = 0.4, .saturation = 0.4, .hue = 0.1}, 1));
  EXPECT_NE(changed({.brightness = 0.4}, 1), changed({.brightness = 0.4}, 2));
  const Bytes hue = changed({.hue = 0.5}, 1), grey(300, 77);
  for (std::size_t i = 0; i < 300; i += 3) {  // the lightest and the darkest channel keep their values
    EXPECT_NEAR(std::max({hue[i], hue[i + 1], hue[i + 2]}),
                std::max({before[i], before[i + 1], before[i + 2]}), 1);
    EXPECT_NEAR(std::min({hue[i], hue[i + 1], hue[i + 2]}),
                std::min({before[i], before[i + 1], before[i + 2]}), 1);
  }
  Bytes flat = grey;  // grey has neither hue nor saturation nor contrast
  Random random(3, Random::Use::test);
  jitter_colors({.contrast = 0.9, .saturation = 0.9, .hue = 0.5}, flat.data(), 100, 3, random);
  EXPECT_EQ(flat, grey);
}

}  // namespace
}  // namespace espalier
