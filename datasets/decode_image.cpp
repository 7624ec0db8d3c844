#include "datasets/decode_image.h"

#include <limits>
#include <memory>

#include "framework/core/check.h"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS 65536
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb_image.h>
#pragma GCC diagnostic pop

namespace espalier {

DecodedImage decode_image(const std::filesystem::path& path, int channels) {
  const Bytes bytes = read_file(path);
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
    fail(ExitCode::data, "{}: {} bytes are too many for an image", path.string(), bytes.size());
  DecodedImage image;
  int own_channels = 0;
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(bytes.data(), static_cast<int>(bytes.size()), &image.width, &image.height,
                            &own_channels, channels),
      stbi_image_free);
  if (!pixels)
    fail(ExitCode::data, "{}: cannot be read as JPEG or PNG: {}; replace or remove the file", path.string(),
         stbi_failure_reason());
  image.pixels.assign(pixels.get(), pixels.get() + std::size_t(image.height) * std::size_t(image.width) *
                                                       static_cast<std::size_t>(channels));
  return image;
}

}  // namespace espalier
