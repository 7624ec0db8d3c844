// decode_image.h: JPEG and PNG files to bytes, through stb_image.
#pragma once

#include <filesystem>

#include "framework/data/read_file.h"

namespace espalier {

struct DecodedImage {
  int height = 0, width = 0;
  Bytes pixels;  ///< [height, width, channels]
};

/// `channels`: 1 (grey) or 3 (red, green, blue); the file's own are converted, transparency is dropped.
/// Throws Error(data) with stb's reason if the file cannot be decoded.
DecodedImage decode_image(const std::filesystem::path& path, int channels);

}  // namespace espalier
