#include "framework/data/read_file.h"

#include <zlib.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "framework/core/check.h"
#include "framework/core/memory.h"

namespace espalier {
namespace {

constexpr std::size_t unpacked_limit = std::size_t{4} << 30;  // no data set of this kind is larger

std::string with(const std::string& advice) { return advice.empty() ? "" : "; " + advice; }

Bytes unpack(const Bytes& packed, const std::string& path, const std::string& advice) {
  z_stream z{};
  require(inflateInit2(&z, 15 + 16) == Z_OK,
          "[zlib] cannot start");  // + 16: gzip, not zlib, and check its CRC
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&z, inflateEnd);
  Bytes out(packed.size() * 4 + 1024);
  std::size_t read = 0, written = 0;
  constexpr std::size_t most = 1u << 30;  // zlib counts in 32 bits
  for (;;) {
    z.next_in = const_cast<Bytef*>(packed.data() + read);  // zlib's type; it does not write there
    z.avail_in = static_cast<uInt>(std::min(packed.size() - read, most));
    z.next_out = out.data() + written;
    z.avail_out = static_cast<uInt>(std::min(out.size() - written, most));
    const uInt in_before = z.avail_in, out_before = z.avail_out;
    const int state = inflate(&z, Z_NO_FLUSH);
    read += in_before - z.avail_in;
    written += out_before - z.avail_out;
    if (state == Z_STREAM_END) break;
    if (state == Z_BUF_ERROR && read == packed.size())
      fail(ExitCode::data, "{}: the gzip data end too early, after {} bytes; truncated{}", path, read,
           with(advice));
    if (state != Z_OK && state != Z_BUF_ERROR)
      fail(ExitCode::data, "{}: corrupt gzip data near byte {}: {}{}", path, read,
           z.msg ? z.msg : "unknown error", with(advice));
    if (written == out.size()) {
      if (out.size() >= unpacked_limit)
        fail(ExitCode::data, "{}: unpacks to more than {} bytes; this is no data set file{}", path,
             unpacked_limit, with(advice));
      out.resize(out.size() * 2);
    }
  }
  if (read != packed.size())
    fail(ExitCode::data, "{}: the gzip data end at byte {} of {}; overlong{}", path, read, packed.size(),
         with(advice));
  out.resize(written);
  return out;
}

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

Bytes read_maybe_gzip(const std::filesystem::path& path, const std::string& advice) {
  Bytes bytes = read_file(path, advice);
  return path.extension() == ".gz" ? unpack(bytes, path.string(), advice) : bytes;
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
