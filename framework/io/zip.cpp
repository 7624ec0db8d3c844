#include "framework/io/zip.h"

#include <fcntl.h>
#include <zlib.h>

#include <algorithm>
#include <memory>
#include <set>

#include "framework/core/memory.h"
#include "framework/io/file_kind.h"

namespace espalier {
namespace {

constexpr std::uint64_t end_record = 22, entry_record = 46, local_record = 30;
constexpr std::uint64_t largest_directory = 256u << 20;
constexpr std::uint64_t largest_ratio = 1040;  // deflate packs at most 1032 : 1

/// Little-endian numbers of a record whose length has been checked.
std::uint64_t number(std::string_view record, std::size_t at, int bytes) {
  std::uint64_t value = 0;
  for (int i = bytes; i-- > 0;) value = value << 8 | static_cast<std::uint8_t>(record[at + i]);
  return value;
}

template <class... Args>
[[noreturn]] void corrupt(ExitCode code, const std::filesystem::path& path, fmt::format_string<Args...> what,
                          Args&&... args) {
  fail(code, "{}: not a valid zip archive (.npz, .pt and .pth files are such): {}. Copy or write it again",
       path.string(), fmt::format(what, std::forward<Args>(args)...));
}

std::uint32_t checksum(std::string_view bytes) {
  auto crc = ::crc32(0, nullptr, 0);
  constexpr std::size_t piece = std::size_t{1} << 30;  // zlib counts in 32 bits
  for (std::size_t at = 0; at < bytes.size(); at += piece)
    crc = ::crc32(crc, reinterpret_cast<const Bytef*>(bytes.data() + at),
                  static_cast<uInt>(std::min(piece, bytes.size() - at)));
  return static_cast<std::uint32_t>(crc);
}

/// Fills `out` from raw deflate data; false unless both end together.
bool inflate_all(std::string& packed, std::string& out) {
  z_stream z{};
  require(inflateInit2(&z, -15) == Z_OK, "[zlib] cannot start");  // negative: without a header
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&z, inflateEnd);
  constexpr std::size_t most = std::size_t{1} << 30;
  std::size_t read = 0, written = 0;
  char spare = 0;  // zlib wants somewhere to write even when nothing is left to be written
  for (;;) {
    z.next_in = reinterpret_cast<Bytef*>(packed.data() + read);
    z.avail_in = static_cast<uInt>(std::min(packed.size() - read, most));
    const bool full = written == out.size();
    z.next_out = reinterpret_cast<Bytef*>(full ? &spare : out.data() + written);
    z.avail_out = full ? 1 : static_cast<uInt>(std::min(out.size() - written, most));
    const uInt in_before = z.avail_in, out_before = z.avail_out;
    const int state = inflate(&z, Z_NO_FLUSH);
    read += in_before - z.avail_in;
    const uInt produced = out_before - z.avail_out;
    if (full && produced > 0) return false;
    written += produced;
    if (state == Z_STREAM_END) return read == packed.size() && written == out.size();
    if (state != Z_OK || (produced == 0 && z.avail_in == in_before)) return false;
  }
}

}  // namespace

ZipArchive::ZipArchive(const std::filesystem::path& path, ExitCode on_failure)
    : file_(path, O_RDONLY, on_failure), on_failure_(on_failure), size_(file_.size()) {
  parse_directory(find_directory());
}

ZipArchive::Directory ZipArchive::find_directory() const {
  if (size_ < end_record) corrupt(on_failure_, path(), "it has {} bytes and needs at least 22", size_);
  // The end record is followed by a comment of up to 65,535 bytes.
  const std::uint64_t tail_size = std::min<std::uint64_t>(size_, end_record + 0xffff);
  std::string tail(tail_size, '\0');
  const std::uint64_t tail_begin = size_ - tail_size;
  file_.read(tail_begin, tail.data(), tail.size());
  std::size_t at = tail.size() - end_record + 1;
  do {
    if (at == 0) corrupt(on_failure_, path(), "the directory at its end is missing; it is truncated");
    --at;
  } while (!(std::string_view(tail).substr(at).starts_with("PK\x05\x06") &&
             at + end_record + number(tail, at + 20, 2) == tail.size()));
  Directory where{number(tail, at + 16, 4), number(tail, at + 12, 4), number(tail, at + 10, 2)};
  if (number(tail, at + 4, 2) != 0 && number(tail, at + 4, 2) != 0xffff)
    corrupt(on_failure_, path(), "it is one part of several");

  std::uint64_t limit = tail_begin + at;  // where the directory must have ended
  constexpr std::uint64_t locator = 20, record = 56;
  if (limit >= locator + record) {  // ZIP64: a second end record, found through a locator before the first
    std::string text(locator, '\0');
    file_.read(limit - locator, text.data(), text.size());
    if (text.starts_with("PK\x06\x07")) {
      const std::uint64_t begin = number(text, 8, 8);
      if (begin > limit - locator - record)
        corrupt(on_failure_, path(), "its ZIP64 record is outside the file");
      std::string end64(record, '\0');
      file_.read(begin, end64.data(), end64.size());
      if (!end64.starts_with("PK\x06\x06")) corrupt(on_failure_, path(), "its ZIP64 record is missing");
      where = {number(end64, 48, 8), number(end64, 40, 8), number(end64, 32, 8)};
      limit = begin;
    }
  }
  if (where.size > limit || where.begin > limit - where.size)
    corrupt(on_failure_, path(), "its directory ({} bytes from {}) is not inside the file of {}", where.size,
            where.begin, size_);
  if (where.entries > where.size / entry_record)
    corrupt(on_failure_, path(), "its directory of {} bytes cannot hold {} entries", where.size,
            where.entries);
  if (where.size > largest_directory)
    corrupt(on_failure_, path(), "its directory has {} bytes; at most {} are allowed", where.size,
            largest_directory);
  return where;
}

void ZipArchive::parse_directory(const Directory& where) {
  std::string text(where.size, '\0');
  file_.read(where.begin, text.data(), text.size());
  std::string_view rest = text;
  std::set<std::string_view> names;
  entries_.reserve(where.entries);
  for (std::uint64_t i = 0; i < where.entries; ++i) {
    if (rest.size() < entry_record || !rest.starts_with("PK\x01\x02"))
      corrupt(on_failure_, path(), "entry {} of its directory is damaged", i);
    const std::uint64_t flags = number(rest, 8, 2), method = number(rest, 10, 2);
    const std::size_t name_size = number(rest, 28, 2), extra_size = number(rest, 30, 2),
                      comment_size = number(rest, 32, 2);
    if (rest.size() - entry_record < name_size + extra_size + comment_size)
      corrupt(on_failure_, path(), "entry {} of its directory is damaged", i);
    ZipEntry e;
    e.name = rest.substr(entry_record, name_size);
    e.crc = static_cast<std::uint32_t>(number(rest, 16, 4));
    e.packed = number(rest, 20, 4);
    e.size = number(rest, 24, 4);
    e.header = number(rest, 42, 4);
    e.deflated = method == 8;
    // ZIP64 keeps, in this order, those of the three numbers that stand as 0xffffffff above.
    std::string_view extra = rest.substr(entry_record + name_size, extra_size);
    while (extra.size() >= 4) {
      const std::size_t length = number(extra, 2, 2);
      if (length > extra.size() - 4) break;
      std::string_view field = extra.substr(4, length);
      if (number(extra, 0, 2) == 1)
        for (std::uint64_t* value : {&e.size, &e.packed, &e.header}) {
          if (*value != 0xffffffff) continue;
          if (field.size() < 8) corrupt(on_failure_, path(), "'{}' has a damaged ZIP64 field", e.name);
          *value = number(field, 0, 8);
          field.remove_prefix(8);
        }
      extra.remove_prefix(4 + length);
    }
    if (flags & 1) corrupt(on_failure_, path(), "'{}' is encrypted", e.name);
    if (method != 0 && method != 8)
      corrupt(on_failure_, path(), "'{}' is packed by method {}; stored (0) and deflated (8) are read",
              e.name, method);
    if (e.header > size_ || e.packed > size_ - e.header || (!e.deflated && e.packed != e.size))
      corrupt(on_failure_, path(), "'{}' ({} bytes from {}) is not inside the file of {}", e.name, e.packed,
              e.header, size_);
    if (e.size / largest_ratio > e.packed)
      corrupt(on_failure_, path(), "'{}' cannot unpack from {} to {} bytes", e.name, e.packed, e.size);
    entries_.push_back(std::move(e));
    rest.remove_prefix(entry_record + name_size + extra_size + comment_size);
  }
  for (const ZipEntry& e : entries_)
    if (!names.insert(e.name).second) corrupt(on_failure_, path(), "'{}' is in it twice", e.name);
}

const ZipEntry* ZipArchive::find(std::string_view name) const {
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const ZipEntry& e) { return e.name == name; });
  return found == entries_.end() ? nullptr : &*found;
}

std::string ZipArchive::read(const ZipEntry& entry) const {
  // The local header's own lengths count: PyTorch pads its extra field so that the data are aligned.
  std::string local(local_record, '\0');
  if (size_ - entry.header < local_record) corrupt(on_failure_, path(), "'{}' has no header", entry.name);
  file_.read(entry.header, local.data(), local.size());
  if (!local.starts_with("PK\x03\x04")) corrupt(on_failure_, path(), "'{}' has no header", entry.name);
  const std::uint64_t begin = entry.header + local_record + number(local, 26, 2) + number(local, 28, 2);
  if (begin > size_ || entry.packed > size_ - begin)
    corrupt(on_failure_, path(), "'{}' ends after the file; it is truncated", entry.name);
  const std::uint64_t needed = entry.packed + (entry.deflated ? entry.size : 0);
  constexpr std::uint64_t small = 1 << 20;  // asking the system takes longer than reading a small entry
  if (needed > small)
    require_memory(static_cast<double>(needed), fmt::format("{}: '{}'", path().string(), entry.name));
  std::string packed(entry.packed, '\0');
  file_.read(begin, packed.data(), packed.size());
  if (entry.deflated) {
    std::string out(entry.size, '\0');
    if (!inflate_all(packed, out))
      corrupt(on_failure_, path(), "'{}' does not unpack to the {} bytes it should have", entry.name,
              entry.size);
    packed = std::move(out);
  }
  if (checksum(packed) != entry.crc)
    corrupt(on_failure_, path(), "'{}' differs from its checksum", entry.name);
  return packed;
}

}  // namespace espalier
