#include "framework/data/decode_image.h"

#include <algorithm>
#include <limits>
#include <memory>

#include "framework/core/check.h"
#include "framework/io/file_kind.h"

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
namespace {

/// stb_image 2.27 writes past its arrays if a corrupt JPEG announces a Huffman table of more than 256 codes
/// (stbi__build_huffman; found by feeding it changed files). So every table is looked at first. What is not a
/// JPEG passes.
bool huffman_tables_fit(const Bytes& bytes) {
  if (bytes.empty() || bytes[0] != 0xff) return true;
  for (std::size_t at = 0; at + 3 < bytes.size();) {
    const std::uint8_t marker = bytes[at + 1];
    // Image data and padding lie between segments: 0xff 0x00 there is data, 0xff 0xd0..0xd7 a restart. 0xd8
    // begins the file.
    if (bytes[at] != 0xff || marker == 0 || marker == 0xff || (marker >= 0xd0 && marker <= 0xd8)) {
      ++at;
      continue;
    }
    if (marker == 0xd9) return true;  // end of image
    const std::size_t end = at + 2 + (std::size_t{bytes[at + 2]} << 8 | bytes[at + 3]);
    if (marker == 0xc4)  // one or more tables: a class byte, 16 counts of codes by length, the codes
      for (std::size_t table = at + 4; table < end;) {
        // As stb does, counts are read even where the segment ends before them.
        int codes = 0;
        for (std::size_t i = table + 1; i < std::min(table + 17, bytes.size()); ++i) codes += bytes[i];
        if (codes > 256) return false;
        table += 17 + static_cast<std::size_t>(codes);
      }
    at = end;
  }
  return true;
}

}  // namespace

DecodedImage decode_image(const std::filesystem::path& path, int channels) {
  const Bytes bytes = read_file(path);
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
    fail(ExitCode::data, "{}: {} bytes are too many for an image", path.string(), bytes.size());
  if (!huffman_tables_fit(bytes))
    fail(ExitCode::data,
         "{}: cannot be read as JPEG: a Huffman table has more than 256 codes; replace or remove the file",
         path.string());
  DecodedImage image;
  int own_channels = 0;
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(bytes.data(), static_cast<int>(bytes.size()), &image.width, &image.height,
                            &own_channels, channels),
      stbi_image_free);
  if (!pixels) {
    const FileKind kind = kind_of_file(path);
    const bool damaged = kind == FileKind::jpeg || kind == FileKind::png;
    fail(ExitCode::data, "{}: {}", path.string(),
         (damaged ? std::nullopt : foreign_file(kind, "a JPEG or PNG picture"))
             .value_or(fmt::format("cannot be read as JPEG or PNG: {}; replace or remove the file",
                                   stbi_failure_reason())));
  }
  image.pixels.assign(pixels.get(), pixels.get() + std::size_t(image.height) * std::size_t(image.width) *
                                                       static_cast<std::size_t>(channels));
  return image;
}

}  // namespace espalier
