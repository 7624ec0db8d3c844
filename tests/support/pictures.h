// pictures.h: picture files made in a test: PNG by a writer of our own (any kind of it), JPEG by libjpeg.
#pragma once

#include <zlib.h>

// clang-format off
#include <cstdio>  // jpeglib.h needs it
#include <jpeglib.h>
// clang-format on

#include <cstdint>
#include <string>
#include <vector>

namespace espalier::testing {

using PictureBytes = std::vector<std::uint8_t>;

/// A pattern without symmetry: every byte a function of its place. Pillow's results in resize_test.cpp are of it.
inline PictureBytes pattern(int height, int width, int channels) {
  PictureBytes bytes;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c)
        bytes.push_back(static_cast<std::uint8_t>((x * 7 + y * 13 + c * 50 + (x * y) % 31) % 256));
  return bytes;
}

/// Smooth, as photographs are: JPEG keeps it to a few levels.
inline PictureBytes gradient(int height, int width, int channels) {
  PictureBytes bytes;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c)
        bytes.push_back(static_cast<std::uint8_t>(c == 0 ? 255 * y / height : c == 1 ? 255 * x / width : 90));
  return bytes;
}

/// A chunk: length, name, data, CRC.
inline void add_chunk(PictureBytes& png, const std::string& name, const PictureBytes& data) {
  const auto number = [&](std::uint32_t v) {
    for (int shift = 24; shift >= 0; shift -= 8) png.push_back(static_cast<std::uint8_t>(v >> shift));
  };
  number(static_cast<std::uint32_t>(data.size()));
  PictureBytes body(name.begin(), name.end());
  body.insert(body.end(), data.begin(), data.end());
  png.insert(png.end(), body.begin(), body.end());
  number(static_cast<std::uint32_t>(crc32(0, body.data(), static_cast<uInt>(body.size()))));
}

struct PngKind {
  int color = 2;  ///< 0 grey, 2 colour, 3 palette, 4 grey and alpha, 6 colour and alpha
  int depth = 8;
  PictureBytes palette = {}, exif = {};
};
/// A PNG of rows that are packed already, as `kind` has them.
inline PictureBytes png_of(int height, int width, const PngKind& kind, const PictureBytes& rows) {
  PictureBytes png{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'}, header;
  for (const int v : {width, height})
    for (int shift = 24; shift >= 0; shift -= 8) header.push_back(static_cast<std::uint8_t>(v >> shift));
  header.insert(header.end(),
                {static_cast<std::uint8_t>(kind.depth), static_cast<std::uint8_t>(kind.color), 0, 0, 0});
  add_chunk(png, "IHDR", header);
  if (!kind.exif.empty()) add_chunk(png, "eXIf", kind.exif);
  if (!kind.palette.empty()) add_chunk(png, "PLTE", kind.palette);
  PictureBytes raw;
  const std::size_t row = rows.size() / static_cast<std::size_t>(height);
  for (int y = 0; y < height; ++y) {
    raw.push_back(0);  // no filter
    const auto begin = rows.begin() + static_cast<std::ptrdiff_t>(row) * y;
    raw.insert(raw.end(), begin, begin + static_cast<std::ptrdiff_t>(row));
  }
  PictureBytes packed(compressBound(raw.size()));
  uLongf size = packed.size();
  compress2(packed.data(), &size, raw.data(), raw.size(), 9);
  packed.resize(size);
  add_chunk(png, "IDAT", packed);
  add_chunk(png, "IEND", {});
  return png;
}

/// EXIF data that say how the camera was held, from "MM" or "II" on.
inline PictureBytes exif_of(int orientation, bool little_endian = false) {
  const auto o = static_cast<std::uint8_t>(orientation);
  if (little_endian)
    return {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, o, 0, 0, 0, 0, 0, 0, 0};
  return {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, o, 0, 0, 0, 0, 0, 0};
}

struct JpegKind {
  int quality = 95;
  bool progressive = false;
  J_COLOR_SPACE space = JCS_RGB;  ///< JCS_GRAYSCALE: 1 channel, JCS_CMYK: 4
  PictureBytes exif = {};
};
inline PictureBytes jpeg_of(int height, int width, const JpegKind& kind, PictureBytes pixels) {
  jpeg_compress_struct z{};
  jpeg_error_mgr errors{};
  z.err = jpeg_std_error(&errors);
  jpeg_create_compress(&z);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&z, &memory, &size);
  z.image_height = static_cast<JDIMENSION>(height);
  z.image_width = static_cast<JDIMENSION>(width);
  z.input_components = kind.space == JCS_GRAYSCALE ? 1 : kind.space == JCS_CMYK ? 4 : 3;
  z.in_color_space = kind.space;
  jpeg_set_defaults(&z);
  jpeg_set_quality(&z, kind.quality, TRUE);
  if (kind.progressive) jpeg_simple_progression(&z);
  jpeg_start_compress(&z, TRUE);
  if (!kind.exif.empty()) {
    PictureBytes marker{'E', 'x', 'i', 'f', 0, 0};
    marker.insert(marker.end(), kind.exif.begin(), kind.exif.end());
    jpeg_write_marker(&z, JPEG_APP0 + 1, marker.data(), static_cast<unsigned>(marker.size()));
  }
  while (z.next_scanline < z.image_height) {
    JSAMPROW row = pixels.data() + std::size_t{z.next_scanline} * z.image_width *
                                       static_cast<std::size_t>(z.input_components);
    jpeg_write_scanlines(&z, &row, 1);
  }
  jpeg_finish_compress(&z);
  PictureBytes bytes(memory, memory + size);
  jpeg_destroy_compress(&z);
  std::free(memory);
  return bytes;
}

}  // namespace espalier::testing
