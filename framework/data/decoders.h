// decoders.h: the picture formats, each by the library that knows it. For decode_image.cpp alone, which turns what
// they give upright and into the channels that are asked for.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "framework/core/check.h"
#include "framework/data/read_file.h"

namespace espalier {

/// A picture as its file stores it.
struct StoredPicture {
  int height = 0, width = 0, channels = 0;  ///< 1 or 3 channels
  int orientation = 1;                      ///< of EXIF, 1 to 8: how the camera was held
  Bytes pixels;  ///< [height, width, channels]; empty where only the header was read
};

/// What to read of a file.
enum class PicturePart { header, all };

/// Each throws Error(data) naming the file and what is wrong. Extents are checked by check_extents() before any
/// memory is taken.
/// JPEG by libjpeg-turbo: also progressive and CMYK. Data that are damaged or end early are errors.
StoredPicture decode_jpeg(std::span<const std::uint8_t> bytes, const std::string& name, PicturePart part);
/// PNG by libpng: palettes are looked up, 16 bits cut to their upper 8, transparency dropped.
StoredPicture decode_png(std::span<const std::uint8_t> bytes, const std::string& name, PicturePart part);
/// BMP by stb_image.
StoredPicture decode_bmp(std::span<const std::uint8_t> bytes, const std::string& name, PicturePart part);
/// PGM and PPM (P5, P6).
StoredPicture decode_pnm(std::span<const std::uint8_t> bytes, const std::string& name, PicturePart part);
bool is_pnm(std::span<const std::uint8_t> bytes);

/// Largest picture that is read: 134 million pixels.
constexpr std::uint64_t most_pixels = std::uint64_t{1} << 27;

/// Refuses pictures of no pixels, of more than most_pixels, of more than `bytes` of data can hold at `densest`
/// pixels a byte (a few bytes that announce gigabytes), and such that memory is too small for.
void check_extents(const std::string& name, std::uint64_t height, std::uint64_t width, std::uint64_t bytes,
                   double densest);

[[noreturn]] void fail_picture(const std::string& name, const char* format, const std::string& reason);

/// Orientation in EXIF data, from the "II" or "MM" on; 1 if they do not say.
int exif_orientation(std::span<const std::uint8_t> tiff);

}  // namespace espalier
