// decode_plain.cpp: formats without compression: BMP by stb_image, PGM and PPM by hand.
#include <algorithm>
#include <cctype>
#include <limits>
#include <memory>

#include "framework/data/decoders.h"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_BMP
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

std::uint64_t little_endian(std::span<const std::uint8_t> bytes, std::size_t at, int size) {
  std::uint64_t value = 0;
  for (int i = size - 1; i >= 0; --i) value = value << 8 | bytes[at + static_cast<std::size_t>(i)];
  return value;
}

/// stb_image takes what a BMP file lacks for black, so its length is held against its header.
void check_bmp_length(std::span<const std::uint8_t> bytes, const std::string& name, int height, int width) {
  constexpr std::size_t header = 30;  // as far as the number of bits
  if (bytes.size() < header) fail_picture(name, "BMP", "the header is truncated");
  const bool old = little_endian(bytes, 14, 4) == 12;  // OS/2's, with extents of 16 bits
  const std::uint64_t begin = little_endian(bytes, 10, 4), bits = little_endian(bytes, old ? 24 : 28, 2),
                      row = (std::uint64_t(width) * bits + 31) / 32 * 4;
  if (begin + row * std::uint64_t(height) > bytes.size())
    fail_picture(name, "BMP",
                 fmt::format("{} bytes where the header announces {}; truncated", bytes.size(),
                             begin + row * std::uint64_t(height)));
}

/// The next number of a PGM or PPM header, after white space and comments.
std::uint64_t header_number(std::span<const std::uint8_t> bytes, std::size_t& at, const std::string& name) {
  while (at < bytes.size() && (std::isspace(bytes[at]) || bytes[at] == '#')) {
    if (bytes[at] == '#')
      while (at < bytes.size() && bytes[at] != '\n') ++at;
    else
      ++at;
  }
  std::uint64_t value = 0;
  const std::size_t begin = at;
  for (; at < bytes.size() && std::isdigit(bytes[at]) && at - begin < 9; ++at)
    value = 10 * value + (bytes[at] - std::uint64_t{'0'});
  if (at == begin) fail_picture(name, "PGM or PPM", "the header is truncated or no text of numbers");
  return value;
}

}  // namespace

StoredPicture decode_bmp(std::span<const std::uint8_t> bytes, const std::string& name, PicturePart part) {
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
    fail_picture(name, "BMP", "the file is larger than 2 GiB");
  int height = 0, width = 0, own_channels = 0;
  const auto size = static_cast<int>(bytes.size());
  if (!stbi_info_from_memory(bytes.data(), size, &width, &height, &own_channels) || height < 0 || width < 0)
    fail_picture(name, "BMP", stbi_failure_reason() ? stbi_failure_reason() : "unknown header");
  check_extents(name, std::uint64_t(height), std::uint64_t(width), bytes.size(), 8);
  check_bmp_length(bytes, name, height, width);
  StoredPicture picture{height, width, 3, 1, {}};
  if (part == PicturePart::header) return picture;
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(bytes.data(), size, &width, &height, &own_channels, 3), stbi_image_free);
  if (!pixels) fail_picture(name, "BMP", stbi_failure_reason());
  if (height != picture.height || width != picture.width)
    fail_picture(name, "BMP", "its header has two readings");
  picture.pixels.assign(pixels.get(), pixels.get() + std::size_t(height) * std::size_t(width) * 3);
  return picture;
}

bool is_pnm(std::span<const std::uint8_t> bytes) {
  return bytes.size() > 2 && bytes[0] == 'P' && (bytes[1] == '5' || bytes[1] == '6') &&
         std::isspace(bytes[2]);
}

StoredPicture decode_pnm(std::span<const std::uint8_t> bytes, const std::string& name, PicturePart part) {
  const std::uint64_t channels = bytes[1] == '5' ? 1 : 3;
  std::size_t at = 2;
  const std::uint64_t width = header_number(bytes, at, name), height = header_number(bytes, at, name),
                      most = header_number(bytes, at, name);
  if (most == 0 || most > 65535) fail_picture(name, "PGM or PPM", "its largest value must be 1 to 65535");
  ++at;  // one white space
  const std::uint64_t each = most > 255 ? 2 : 1;
  check_extents(name, height, width, bytes.size(), 1);
  const std::uint64_t values = height * width * channels;
  if (at + values * each > bytes.size())
    fail_picture(
        name, "PGM or PPM",
        fmt::format("{} bytes where the header announces {}; truncated", bytes.size(), at + values * each));
  StoredPicture picture{static_cast<int>(height), static_cast<int>(width), static_cast<int>(channels), 1, {}};
  if (part == PicturePart::header) return picture;
  picture.pixels.reserve(values);
  for (std::uint64_t i = 0; i < values; ++i, at += each) {
    const std::uint64_t v = each == 1 ? bytes[at] : std::uint64_t{bytes[at]} << 8 | bytes[at + 1];
    picture.pixels.push_back(static_cast<std::uint8_t>((std::min(v, most) * 255 + most / 2) / most));
  }
  return picture;
}

}  // namespace espalier
