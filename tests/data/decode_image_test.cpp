// decode_image_test.cpp: every kind of picture file gives the bytes it was made of, upright and in the channels asked
// for; what is damaged, too large or no picture is refused by name, before memory is taken.
#include "framework/data/decode_image.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "framework/core/memory.h"
#include "tests/support/damage.h"
#include "tests/support/expect_error.h"
#include "tests/support/pictures.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

using testing::exif_of;
using testing::expect_error;
using testing::gradient;
using testing::jpeg_of;
using testing::JpegKind;
using testing::pattern;
using testing::png_of;
using testing::PngKind;

DecodedImage decode(const Bytes& bytes, int channels = 3) { return decode_image(bytes, "it", channels); }
void expect_refused(const Bytes& bytes, std::initializer_list<std::string> parts) {
  expect_error(ExitCode::data, parts, [&] { decode(bytes); });
}
double mean_difference(const Bytes& a, const Bytes& b) {
  EXPECT_EQ(a.size(), b.size());
  double sum = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) sum += std::abs(int{a[i]} - int{b[i]});
  return sum / static_cast<double>(a.size());
}

TEST(Png, ColoursAreTheirBytes) {
  const Bytes rows = pattern(7, 5, 3);
  const DecodedImage image = decode(png_of(7, 5, {}, rows));
  EXPECT_EQ(image.height, 7);
  EXPECT_EQ(image.width, 5);
  EXPECT_EQ(image.pixels, rows);
}

TEST(Png, GreyOfAnyDepthBecomesBytesAndThreeChannels) {
  const Bytes rows = pattern(3, 4, 1);
  const Bytes png = png_of(3, 4, {.color = 0}, rows);
  EXPECT_EQ(decode(png, 1).pixels, rows);
  const Bytes colour = decode(png).pixels;
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t c = 0; c < 3; ++c) EXPECT_EQ(colour[3 * i + c], rows[i]);
  EXPECT_EQ(decode(png_of(1, 8, {.color = 0, .depth = 1}, {0b10110001}), 1).pixels,
            (Bytes{255, 0, 255, 255, 0, 0, 0, 255}));
  EXPECT_EQ(decode(png_of(1, 2, {.color = 0, .depth = 4}, {0x3f}), 1).pixels, (Bytes{0x33, 255}));
}

TEST(Png, OfSixteenBitsTheUpperEightAreTaken) {
  Bytes rows;
  for (const int high : {1, 128, 254})
    for (const int low : {0, 255})
      rows.insert(rows.end(), {static_cast<std::uint8_t>(high), static_cast<std::uint8_t>(low)});
  EXPECT_EQ(decode(png_of(1, 6, {.color = 0, .depth = 16}, rows), 1).pixels,
            (Bytes{1, 1, 128, 128, 254, 254}));
}

TEST(Png, TransparencyIsDroppedAndPalettesAreLookedUp) {
  EXPECT_EQ(decode(png_of(1, 2, {.color = 6}, {1, 2, 3, 0, 4, 5, 6, 128})).pixels, (Bytes{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(decode(png_of(1, 2, {.color = 4}, {9, 0, 8, 255}), 1).pixels, (Bytes{9, 8}));
  EXPECT_EQ(decode(png_of(1, 4, {.color = 3, .depth = 2, .palette = {10, 20, 30, 40, 50, 60}}, {0b00010001}))
                .pixels,
            (Bytes{10, 20, 30, 40, 50, 60, 10, 20, 30, 40, 50, 60}));
}

TEST(Jpeg, SequentialProgressiveAndGreyAreCloseToWhatWasWritten) {
  const Bytes rows = gradient(40, 50, 3), grey = gradient(40, 50, 1);
  EXPECT_LT(mean_difference(decode(jpeg_of(40, 50, {}, rows)).pixels, rows), 2);
  EXPECT_LT(mean_difference(decode(jpeg_of(40, 50, {.progressive = true}, rows)).pixels, rows), 2);
  EXPECT_LT(mean_difference(decode(jpeg_of(40, 50, {.space = JCS_GRAYSCALE}, grey), 1).pixels, grey), 2);
}

// Photoshop, alone in writing such files, stores 255 for no ink; so do we in this test.
TEST(Jpeg, InksBecomeLight) {
  Bytes inks, light;
  for (int p = 0; p < 64; ++p) {
    inks.insert(inks.end(), {255, 128, 0, 200});
    light.insert(light.end(), {200, 100, 0});
  }
  EXPECT_LT(mean_difference(decode(jpeg_of(8, 8, {.space = JCS_CMYK}, inks)).pixels, light), 2);
}

TEST(Orientation, PicturesComeUprightHoweverTheCameraWasHeld) {
  // The upright picture is 2 high and 3 wide: a b c / d e f. What the file stores for each orientation:
  const std::string stored[] = {"abcdef", "cbafed", "fedcba", "defabc",
                                "adbecf", "cfbead", "fcebda", "daebfc"};
  for (int o = 1; o <= 8; ++o) {
    const bool side = o >= 5;
    const std::string& s = stored[o - 1];
    const Bytes rows(s.begin(), s.end());
    for (const bool little : {false, true}) {
      const Bytes png = png_of(side ? 3 : 2, side ? 2 : 3, {.color = 0, .exif = exif_of(o, little)}, rows);
      const DecodedImage image = decode(png, 1);
      EXPECT_EQ(std::string(image.pixels.begin(), image.pixels.end()), "abcdef") << o;
      EXPECT_EQ(image.height, 2) << o;
      EXPECT_EQ(image.width, 3) << o;
    }
  }
  const testing::TempFolder folder;
  const auto file = folder.write("a.jpg", jpeg_of(20, 30, {.exif = exif_of(6)}, gradient(20, 30, 3)));
  EXPECT_EQ(decode_image(file, 3).height, 30);
  EXPECT_EQ(image_extents(file).height, 30);
  EXPECT_EQ(image_extents(file).width, 20);
}

TEST(Orientation, StrangeExifIsNoReasonToRefuseAPicture) {
  for (Bytes exif : {Bytes{}, Bytes{'M', 'M'}, Bytes(26, 0), exif_of(9), exif_of(0)}) {
    EXPECT_EQ(decode(jpeg_of(8, 9, {.exif = exif}, gradient(8, 9, 3))).height, 8);
    if (exif.size() > 7) exif[4] = exif[5] = exif[6] = exif[7] = 255;  // a directory far outside
    EXPECT_EQ(decode(jpeg_of(8, 9, {.exif = exif}, gradient(8, 9, 3))).height, 8);
  }
}

TEST(Plain, PnmAndBmpAreRead) {
  const std::string head = "P6 # a comment\n3 2\n255\n";
  Bytes ppm(head.begin(), head.end());
  const Bytes rows = pattern(2, 3, 3);
  ppm.insert(ppm.end(), rows.begin(), rows.end());
  EXPECT_EQ(decode(ppm).pixels, rows);
  ppm.pop_back();
  expect_refused(ppm, {"PPM", "truncated"});
  const std::string wide = "P5 2 1 1000\n";
  Bytes pgm(wide.begin(), wide.end());
  pgm.insert(pgm.end(), {1000 >> 8, 1000 & 255, 500 >> 8, 500 & 255});
  EXPECT_EQ(decode(pgm, 1).pixels, (Bytes{255, 128}));

  Bytes bmp{'B', 'M', 70, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 24, 0};
  bmp.resize(54);
  bmp.insert(bmp.end(), {3, 2, 1, 0, 6, 5, 4, 0});  // from the bottom, blue first, rows of 4 bytes
  EXPECT_EQ(decode(bmp).pixels, (Bytes{4, 5, 6, 1, 2, 3}));
  bmp.pop_back();
  expect_refused(bmp, {"BMP", "truncated"});
}

TEST(Hostile, FewBytesThatAnnounceGigabytesAreRefusedBeforeMemoryIsTaken) {
  const std::uint64_t before = peak_resident_memory();
  expect_refused(png_of(60000, 60000, {.color = 0}, Bytes(60000)), {"it", "60000x60000", "million"});
  expect_refused(png_of(10000, 10000, {}, Bytes(10000)), {"it", "10000x10000", "can't hold"});
  Bytes jpeg = jpeg_of(16, 16, {}, gradient(16, 16, 3));
  const Bytes marker{0xff, 0xc0};
  const auto frame = std::search(jpeg.begin(), jpeg.end(), marker.begin(), marker.end());
  ASSERT_NE(frame, jpeg.end());
  frame[5] = frame[7] = 0x20;  // 8192 + 16 pixels each way
  expect_refused(jpeg, {"it", "8208x8208", "can't hold"});
  EXPECT_LT(peak_resident_memory() - before, 64u << 20);
}

TEST(Hostile, OtherFilesAreNamedForWhatTheyAre) {
  expect_refused({}, {"it", "an empty file"});
  expect_refused({'h', 'e', 'l', 'l', 'o', '\n'}, {"it", "plain text"});
  expect_refused({'G', 'I', 'F', '8', '9', 'a', 0, 0}, {"it", "GIF"});
}

TEST(Hostile, TruncatedFilesAreRefused) {
  for (const Bytes& whole :
       {jpeg_of(40, 50, {}, gradient(40, 50, 3)), jpeg_of(40, 50, {.progressive = true}, gradient(40, 50, 3)),
        png_of(40, 50, {}, gradient(40, 50, 3))})
    for (const std::size_t cut : {whole.size() / 4, whole.size() / 2, whole.size() - 30}) {
      const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut));
      expect_refused(part, {"it", "cannot be read"});
    }
}

TEST(Hostile, NoDamageBringsItDown) {
  const auto damage = [](const Bytes& bytes) {
    testing::expect_no_damage_brings_it_down(
        std::string(bytes.begin(), bytes.end()), ExitCode::data,
        [](const std::string& s) { decode(Bytes(s.begin(), s.end())); }, 200);
  };
  damage(jpeg_of(9, 11, {.exif = exif_of(6)}, gradient(9, 11, 3)));
  damage(jpeg_of(9, 11, {.progressive = true}, gradient(9, 11, 3)));
  damage(jpeg_of(9, 11, {.space = JCS_CMYK}, pattern(9, 11, 4)));
  damage(png_of(5, 6, {.exif = exif_of(3)}, pattern(5, 6, 3)));
  damage(png_of(2, 4, {.color = 3, .depth = 2, .palette = {1, 2, 3, 4, 5, 6}}, {0x11, 0x10}));
}

}  // namespace
}  // namespace espalier
