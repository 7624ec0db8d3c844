// decode_image.cpp: which decoder a file needs, told from its first bytes, and what is alike for all of them:
// extents that may be believed, orientation, channels.
#include "framework/data/decode_image.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "framework/core/memory.h"
#include "framework/data/decoders.h"
#include "framework/io/file_kind.h"

namespace espalier {

void fail_picture(const std::string& name, const char* format, const std::string& reason) {
  fail(ExitCode::data, "{}: cannot be read as {}: {}; replace or remove the file", name, format, reason);
}

void check_extents(const std::string& name, std::uint64_t height, std::uint64_t width, std::uint64_t bytes,
                   double densest) {
  if (height == 0 || width == 0) fail(ExitCode::data, "{}: has no pixels ({}x{})", name, height, width);
  const double pixels = static_cast<double>(height) * static_cast<double>(width);
  if (pixels > static_cast<double>(most_pixels))
    fail(ExitCode::data,
         "{}: announces {}x{} pixels; at most {} million are read. Scale it down or remove it", name, height,
         width, most_pixels / 1'000'000);
  if (pixels > densest * static_cast<double>(bytes))
    fail(ExitCode::data, "{}: announces {}x{} pixels, which {} bytes can't hold; truncated or hostile", name,
         height, width, bytes);
  if (pixels > 1 << 22)  // small ones are not worth asking the system
    require_memory(8 * pixels, fmt::format("{}: decoding {}x{} pixels", name, height, width));
}

int exif_orientation(std::span<const std::uint8_t> tiff) {
  if (tiff.size() < 8 || tiff[0] != tiff[1] || (tiff[0] != 'I' && tiff[0] != 'M')) return 1;
  const bool little = tiff[0] == 'I';
  const auto number = [&](std::size_t at, std::size_t size) {
    std::size_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value = value << 8 | tiff[at + (little ? size - 1 - i : i)];
    return value;
  };
  const std::size_t directory = number(4, 4);
  if (directory > tiff.size() - 2 || directory + 2 > tiff.size()) return 1;
  const std::size_t entries = number(directory, 2);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t at = directory + 2 + 12 * i;
    if (at + 12 > tiff.size()) return 1;
    constexpr std::size_t orientation = 0x0112, short_integer = 3;
    if (number(at, 2) != orientation) continue;
    const std::size_t value = number(at + 8, 2);
    return number(at + 2, 2) == short_integer && value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

namespace {

/// 5 to 8 stand on their side: rows are columns.
bool on_its_side(int orientation) { return orientation >= 5; }

/// Turns and mirrors, so that the first row is the top one.
void put_upright(StoredPicture& p) {
  if (p.orientation == 1) return;
  const int o = p.orientation, height = on_its_side(o) ? p.width : p.height,
            width = on_its_side(o) ? p.height : p.width;
  const bool from_right = o == 2 || o == 3 || o == 7 || o == 8,
             from_bottom = o == 3 || o == 4 || o == 6 || o == 7;
  Bytes upright(p.pixels.size());
  std::uint8_t* out = upright.data();
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      int row = on_its_side(o) ? x : y, column = on_its_side(o) ? y : x;
      if (from_bottom) row = p.height - 1 - row;
      if (from_right) column = p.width - 1 - column;
      const std::uint8_t* in =
          p.pixels.data() +
          (std::size_t(row) * std::size_t(p.width) + std::size_t(column)) * std::size_t(p.channels);
      for (int c = 0; c < p.channels; ++c) *out++ = in[c];
    }
  p.pixels = std::move(upright);
  p.height = height;
  p.width = width;
}

void convert_channels(StoredPicture& p, int channels) {
  if (p.channels == channels) return;
  const std::size_t n = std::size_t(p.height) * std::size_t(p.width);
  Bytes converted;
  converted.reserve(n * std::size_t(channels));
  for (std::size_t i = 0; i < n; ++i) {
    if (channels == 3) {
      converted.insert(converted.end(), 3, p.pixels[i]);
    } else {
      const std::uint8_t* rgb = p.pixels.data() + 3 * i;  // luma of ITU-R BT.601
      converted.push_back(
          static_cast<std::uint8_t>((19595 * rgb[0] + 38470 * rgb[1] + 7471 * rgb[2] + 32768) >> 16));
    }
  }
  p.pixels = std::move(converted);
  p.channels = channels;
}

StoredPicture decode(std::span<const std::uint8_t> bytes, const std::string& name, PicturePart part) {
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()),
                              std::min(bytes.size(), file_kind_bytes));
  switch (const FileKind kind = kind_of_bytes(head)) {
    case FileKind::jpeg:
      return decode_jpeg(bytes, name, part);
    case FileKind::png:
      return decode_png(bytes, name, part);
    case FileKind::bmp:
      return decode_bmp(bytes, name, part);
    default:
      if (is_pnm(bytes)) return decode_pnm(bytes, name, part);
      fail(ExitCode::data, "{}: {}", name,
           foreign_file(kind, "a JPEG, PNG, BMP, PGM or PPM picture")
               .value_or("is no JPEG, PNG, BMP, PGM or PPM picture; replace or remove the file"));
  }
}

}  // namespace

DecodedImage decode_image(std::span<const std::uint8_t> bytes, const std::string& name, int channels) {
  StoredPicture p = decode(bytes, name, PicturePart::all);
  put_upright(p);
  convert_channels(p, channels);
  return {p.height, p.width, std::move(p.pixels)};
}

DecodedImage decode_image(const std::filesystem::path& path, int channels) {
  return decode_image(read_file(path), path.string(), channels);
}

ImageExtents image_extents(const std::filesystem::path& path) {
  const StoredPicture p = decode(read_file(path), path.string(), PicturePart::header);
  return on_its_side(p.orientation) ? ImageExtents{p.width, p.height} : ImageExtents{p.height, p.width};
}

bool has_picture_name(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  constexpr std::array known{".jpg", ".jpeg", ".png", ".bmp", ".pgm", ".ppm"};
  return std::find(known.begin(), known.end(), extension) != known.end();
}

}  // namespace espalier
