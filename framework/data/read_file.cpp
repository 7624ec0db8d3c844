#include "framework/data/read_file.h"

#include <zlib.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>

#include "framework/core/check.h"
#include "framework/core/memory.h"
#include "framework/io/file_kind.h"

namespace espalier {
namespace {

std::string with(const std::string& advice) { return advice.empty() ? "" : "; " + advice; }

/// gzip data, unpacked piece by piece.
class Unpacker {
 public:
  Unpacker(const Bytes& packed, std::string path, std::string advice)
      : packed_(packed), path_(std::move(path)), advice_(std::move(advice)) {
    require(inflateInit2(&z_, 15 + 16) == Z_OK,
            "[zlib] cannot start");  // + 16: gzip, not zlib, and check its CRC
  }
  ~Unpacker() { inflateEnd(&z_); }
  Unpacker(const Unpacker&) = delete;
  Unpacker& operator=(const Unpacker&) = delete;

  /// Unpacks until `out` is full or the data end; returns the bytes written.
  std::size_t fill(std::span<std::uint8_t> out) {
    constexpr std::size_t most = 1u << 30;  // zlib counts in 32 bits
    std::size_t written = 0;
    while (written < out.size() && !ended_) {
      z_.next_in = const_cast<Bytef*>(packed_.data() + read_);  // zlib's type; it does not write there
      z_.avail_in = static_cast<uInt>(std::min(packed_.size() - read_, most));
      z_.next_out = out.data() + written;
      z_.avail_out = static_cast<uInt>(std::min(out.size() - written, most));
      const uInt in_before = z_.avail_in, out_before = z_.avail_out;
      const int state = inflate(&z_, Z_NO_FLUSH);
      read_ += in_before - z_.avail_in;
      written += out_before - z_.avail_out;
      ended_ = state == Z_STREAM_END;
      if (state == Z_BUF_ERROR && read_ == packed_.size())
        fail(ExitCode::data, "{}: the gzip data end too early, after {} bytes; truncated{}", path_, read_,
             with(advice_));
      if (!ended_ && state != Z_OK && state != Z_BUF_ERROR)
        fail(ExitCode::data, "{}: corrupt gzip data near byte {}: {}{}", path_, read_,
             z_.msg ? z_.msg : "unknown error", with(advice_));
    }
    return written;
  }
  /// Nothing may follow: no byte of contents, none of the file.
  void finish(std::size_t expected) {
    std::uint8_t one = 0;
    if (!ended_ && fill({&one, 1}) > 0)
      fail(ExitCode::data, "{}: unpacks to more than the {} bytes that its header announces; overlong{}",
           path_, expected, with(advice_));
    if (read_ != packed_.size())
      fail(ExitCode::data, "{}: the gzip data end at byte {} of {}; overlong{}", path_, read_, packed_.size(),
           with(advice_));
  }

 private:
  const Bytes& packed_;
  std::string path_, advice_;
  z_stream z_{};
  std::size_t read_ = 0;
  bool ended_ = false;
};

}  // namespace

Bytes read_file(const std::filesystem::path& path, const std::string& advice) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found)
    fail(ExitCode::data, "{}: no such file{}", path.string(), with(advice));
  if (error) fail(ExitCode::data, "{}: cannot be read: {}{}", path.string(), error.message(), with(advice));
  if (!std::filesystem::is_regular_file(status))
    fail(ExitCode::data, "{}: is not a regular file{}", path.string(), with(advice));
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) fail(ExitCode::data, "{}: cannot be opened: {}", path.string(), std::strerror(errno));
  const auto size = std::filesystem::file_size(path, error);
  if (error) fail(ExitCode::data, "{}: its size cannot be read: {}", path.string(), error.message());
  require_memory(static_cast<double>(size), path.string());
  Bytes bytes(static_cast<std::size_t>(size));
  const std::size_t read = std::fread(bytes.data(), 1, bytes.size(), file.get());
  if (read != bytes.size())
    fail(ExitCode::data, "{}: only {} of {} bytes could be read: {}", path.string(), read, bytes.size(),
         std::strerror(errno));
  return bytes;
}

Bytes read_announced(const std::filesystem::path& path, std::size_t head, const AnnouncedSize& announced,
                     const std::string& advice) {
  Bytes bytes = read_file(path, advice);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (kind_of_bytes(text.substr(0, file_kind_bytes)) != FileKind::gzip) {
    const std::size_t size = announced(std::span(bytes).first(std::min(head, bytes.size())));
    if (bytes.size() != size)
      fail(ExitCode::data, "{}: {} bytes where the header announces {}; {}{}", path.string(), bytes.size(),
           size, bytes.size() < size ? "truncated" : "overlong", with(advice));
    return bytes;
  }
  Unpacker unpacker(bytes, path.string(), advice);
  Bytes contents(head);
  contents.resize(unpacker.fill(contents));
  const std::size_t begun = contents.size(), size = announced(contents);
  constexpr std::size_t best_ratio = 1032;  // of the format: 258 bytes for two bits
  if (size / best_ratio > bytes.size())
    fail(ExitCode::data,
         "{}: the header announces {} bytes, which {} bytes of gzip data can't hold; truncated{}",
         path.string(), size, bytes.size(), with(advice));
  require_memory(static_cast<double>(size), path.string());
  contents.resize(std::max(size, begun));
  const std::size_t all = begun + unpacker.fill(std::span(contents).subspan(begun));
  if (all > size)
    fail(ExitCode::data, "{}: unpacks to more than the {} bytes that its header announces; overlong{}",
         path.string(), size, with(advice));
  if (all < size)
    fail(ExitCode::data, "{}: unpacks to {} bytes where the header announces {}; truncated{}", path.string(),
         all, size, with(advice));
  unpacker.finish(size);
  return contents;
}

std::vector<std::string> read_lines(const std::filesystem::path& path) {
  std::vector<std::string> lines(1);
  for (const std::uint8_t byte : read_file(path)) {
    const char c = static_cast<char>(byte);
    if (c == '\n')
      lines.emplace_back();
    else if (c != '\r')
      lines.back() += c;
  }
  std::erase(lines, "");
  return lines;
}

}  // namespace espalier
