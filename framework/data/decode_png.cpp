// decode_png.cpp: PNG by libpng. Its errors end in a jump, so the functions that call it hold nothing that would
// need destroying.
#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "framework/data/decoders.h"

namespace espalier {
namespace {

/// Chunks of text and colour profiles: some unpack to any size, and none is needed.
constexpr std::array<png_byte, 20> unread{'i', 'C', 'C', 'P', 0, 'i', 'T', 'X', 't', 0,
                                          't', 'E', 'X', 't', 0, 'z', 'T', 'X', 't', 0};

class PngReader {
 public:
  explicit PngReader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {
    png_ = png_create_read_struct(
        PNG_LIBPNG_VER_STRING, this,
        [](png_structp png, png_const_charp text) {
          PngReader& self = *static_cast<PngReader*>(png_get_error_ptr(png));
          std::snprintf(self.reason_.data(), self.reason_.size(), "%s", text);
          std::longjmp(self.back_, 1);
        },
        [](png_structp, png_const_charp) {});
    if (png_) info_ = png_create_info_struct(png_);
    require(info_ != nullptr, "[libpng] cannot start");
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  /// Each returns false on an error; reason() is then its text.
  bool read_header() {
    if (setjmp(back_)) return false;
    png_set_read_fn(png_, this, [](png_structp png, png_bytep out, std::size_t n) {
      PngReader& self = *static_cast<PngReader*>(png_get_io_ptr(png));
      if (n > self.bytes_.size() - self.at_) png_error(png, "the file ends too early; truncated");
      std::memcpy(out, self.bytes_.data() + self.at_, n);
      self.at_ += n;
    });
    png_set_user_limits(png_, 0x7fffffff, 0x7fffffff);  // check_extents() has the limits
    png_set_chunk_malloc_max(png_, 1u << 20);
    for (std::size_t i = 0; i < unread.size(); i += 5)
      png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, unread.data() + i, 1);
    png_read_info(png_, info_);
    height = png_get_image_height(png_, info_);
    width = png_get_image_width(png_, info_);
    packed_bytes = png_get_rowbytes(png_, info_);
    png_set_expand(png_);  // palettes to colours, 1, 2 and 4 bits to 8
    png_set_strip_16(png_);
    png_set_strip_alpha(png_);
    passes_ = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    channels = png_get_channels(png_, info_);
    read_exif();
    return true;
  }
  bool read_rows(unsigned char* out) {
    if (setjmp(back_)) return false;
    const std::size_t row_bytes = png_get_rowbytes(png_, info_);
    for (int pass = 0; pass < passes_; ++pass)
      for (std::uint32_t y = 0; y < height; ++y) png_read_row(png_, out + row_bytes * y, nullptr);
    png_read_end(png_, info_);
    read_exif();  // it may come last
    return true;
  }
  const char* reason() const { return reason_.data(); }
  std::uint32_t height = 0, width = 0;
  std::size_t packed_bytes = 0;  // of a row, before anything is expanded
  int channels = 0, orientation = 1;

 private:
  void read_exif() {
    png_uint_32 size = 0;
    png_bytep exif = nullptr;
    if (png_get_eXIf_1(png_, info_, &size, &exif) != 0 && exif) orientation = exif_orientation({exif, size});
  }
  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  int passes_ = 1;
  std::jmp_buf back_{};
  std::array<char, 200> reason_{};
};

}  // namespace

StoredPicture decode_png(std::span<const std::uint8_t> bytes, const std::string& name, PicturePart part) {
  PngReader reader(bytes);
  if (!reader.read_header()) fail_picture(name, "PNG", reader.reason());
  // deflate turns a byte into at most 1032.
  const double pixels_of_a_byte =
      1032.0 * reader.width / static_cast<double>(std::max<std::size_t>(reader.packed_bytes, 1));
  check_extents(name, reader.height, reader.width, bytes.size(), pixels_of_a_byte);
  StoredPicture picture{static_cast<int>(reader.height),
                        static_cast<int>(reader.width),
                        reader.channels,
                        reader.orientation,
                        {}};
  if (part == PicturePart::header) return picture;
  picture.pixels.resize(std::size_t{reader.height} * reader.width *
                        static_cast<std::size_t>(reader.channels));
  if (!reader.read_rows(picture.pixels.data())) fail_picture(name, "PNG", reader.reason());
  picture.orientation = reader.orientation;
  return picture;
}

}  // namespace espalier
