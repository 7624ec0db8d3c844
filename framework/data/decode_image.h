// decode_image.h: files of pictures to bytes: JPEG (also progressive and CMYK), PNG (also palettes, 16 bits and
// transparency), BMP, PGM and PPM. Pictures come upright, as EXIF says the camera was held.
#pragma once

#include <filesystem>

#include "framework/data/read_file.h"

namespace espalier {

struct DecodedImage {
  int height = 0, width = 0;
  Bytes pixels;  ///< [height, width, channels]
};

/// `channels`: 1 (grey) or 3 (red, green, blue); the file's own are converted, transparency is dropped.
/// Throws Error(data) with the file's name and the reason if it is damaged, truncated, none of the formats, or
/// larger than 134 million pixels; memory is taken only after that is known.
DecodedImage decode_image(const std::filesystem::path& path, int channels);
/// The same of a file in memory; `name` is for messages.
DecodedImage decode_image(std::span<const std::uint8_t> bytes, const std::string& name, int channels);

/// Height and width of the upright picture, from the header alone; throws as decode_image() does.
struct ImageExtents {
  int height = 0, width = 0;
};
ImageExtents image_extents(const std::filesystem::path& path);

/// Whether the name ends as that of a picture that can be read: .jpg, .jpeg, .png, .bmp, .pgm or .ppm in any case.
bool has_picture_name(const std::filesystem::path& path);

}  // namespace espalier
