// decode_jpeg.cpp: JPEG by libjpeg-turbo. Its errors end in a jump, so the functions that call it hold nothing
// that would need destroying.
// clang-format off
#include <cstdio>  // jpeglib.h needs it
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <algorithm>
#include <array>
#include <csetjmp>

#include "framework/data/decoders.h"

namespace espalier {
namespace {

constexpr int most_scans = 100;  // a progressive picture has about ten; each is a pass over all pixels

/// Warnings that the pixels do not suffer from.
bool harmless_warning(int code) {
  return code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR ||
         code == JWRN_BOGUS_ICC;
}

class JpegReader {
 public:
  JpegReader() {
    z_.err = jpeg_std_error(&errors_);
    z_.client_data = this;
    errors_.error_exit = [](j_common_ptr z) {
      z->err->format_message(z, self(z).reason_.data());
      std::longjmp(self(z).back_, 1);
    };
    errors_.emit_message = [](j_common_ptr z, int level) {
      if (level < 0 && !harmless_warning(z->err->msg_code)) z->err->error_exit(z);
    };
    monitor_.progress_monitor = [](j_common_ptr z) {
      if (reinterpret_cast<j_decompress_ptr>(z)->input_scan_number <= most_scans) return;
      std::snprintf(self(z).reason_.data(), JMSG_LENGTH_MAX, "more than %d scans", most_scans);
      std::longjmp(self(z).back_, 1);
    };
  }
  ~JpegReader() { jpeg_destroy_decompress(&z_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  /// Each returns false on an error; reason() is then its text.
  bool read_header(const unsigned char* bytes, unsigned long size) {
    if (setjmp(back_)) return false;
    jpeg_create_decompress(&z_);
    z_.progress = &monitor_;
    jpeg_mem_src(&z_, bytes, size);
    jpeg_save_markers(&z_, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&z_, TRUE);
    switch (z_.jpeg_color_space) {
      case JCS_GRAYSCALE:
        z_.out_color_space = JCS_GRAYSCALE;
        break;
      case JCS_CMYK:
      case JCS_YCCK:
        z_.out_color_space = JCS_CMYK;
        break;
      default:
        z_.out_color_space = z_.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    }
    jpeg_calc_output_dimensions(&z_);
    return true;
  }
  bool read_rows(unsigned char* out) {
    if (setjmp(back_)) return false;
    jpeg_start_decompress(&z_);
    const std::size_t row_bytes =
        std::size_t{z_.output_width} * static_cast<std::size_t>(z_.output_components);
    while (z_.output_scanline < z_.output_height) {
      JSAMPROW row = out + row_bytes * z_.output_scanline;
      jpeg_read_scanlines(&z_, &row, 1);
    }
    jpeg_finish_decompress(&z_);
    return true;
  }
  const jpeg_decompress_struct& header() const { return z_; }
  const char* reason() const { return reason_.data(); }

 private:
  static JpegReader& self(j_common_ptr z) { return *static_cast<JpegReader*>(z->client_data); }
  jpeg_decompress_struct z_{};
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr monitor_{};
  std::jmp_buf back_{};
  std::array<char, JMSG_LENGTH_MAX> reason_{};
};

int orientation_of(const jpeg_decompress_struct& z) {
  constexpr std::array<std::uint8_t, 6> exif{'E', 'x', 'i', 'f', 0, 0};
  for (jpeg_saved_marker_ptr m = z.marker_list; m; m = m->next)
    if (m->data_length > exif.size() && std::equal(exif.begin(), exif.end(), m->data))
      return exif_orientation({m->data + exif.size(), m->data_length - exif.size()});
  return 1;
}

/// Inks to light, in place of 4 bytes 3. Photoshop stores inks inverted, and nobody else writes CMYK.
void cmyk_to_rgb(Bytes& pixels) {
  std::uint8_t* out = pixels.data();
  for (std::size_t p = 0; p + 4 <= pixels.size(); p += 4) {
    const unsigned black = pixels[p + 3];
    for (std::size_t c = 0; c < 3; ++c)
      *out++ = static_cast<std::uint8_t>((pixels[p + c] * black + 127) / 255);
  }
  pixels.resize(pixels.size() / 4 * 3);
}

}  // namespace

StoredPicture decode_jpeg(std::span<const std::uint8_t> bytes, const std::string& name, PicturePart part) {
  JpegReader reader;
  if (!reader.read_header(bytes.data(), bytes.size())) fail_picture(name, "JPEG", reader.reason());
  const jpeg_decompress_struct& z = reader.header();
  // A block of 8x8 pixels takes at least one bit of Huffman code; arithmetic coding has no such bound.
  const double densest = z.arith_code ? 1e9 : 512;
  check_extents(name, z.output_height, z.output_width, bytes.size(), densest);
  StoredPicture picture{static_cast<int>(z.output_height),
                        static_cast<int>(z.output_width),
                        z.output_components == 1 ? 1 : 3,
                        orientation_of(z),
                        {}};
  if (z.output_components != 1 && z.output_components != 3 && z.output_components != 4)
    fail_picture(name, "JPEG", fmt::format("it has {} channels", z.output_components));
  if (part == PicturePart::header) return picture;
  const bool inks = z.output_components == 4;
  picture.pixels.resize(std::size_t{z.output_height} * z.output_width *
                        static_cast<std::size_t>(z.output_components));
  if (!reader.read_rows(picture.pixels.data())) fail_picture(name, "JPEG", reader.reason());
  if (inks) cmyk_to_rgb(picture.pixels);
  return picture;
}

}  // namespace espalier
