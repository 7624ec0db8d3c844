// safetensors_read.cpp: reading and checking. Nothing is believed before it is compared with the length of
// the file.
#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "framework/core/check.h"
#include "framework/io/atomic_file.h"
#include "framework/io/file_kind.h"
#include "framework/io/json_text.h"
#include "framework/io/safetensors.h"

namespace espalier {
namespace {

constexpr std::uint64_t largest_header = 100'000'000;  // as in the format's reference implementation

template <class... Args>
[[noreturn]] void corrupt(const std::filesystem::path& path, fmt::format_string<Args...> what,
                          Args&&... args) {
  fail(ExitCode::checkpoint, "{}: not a valid safetensors file: {}. Copy or write it again", path.string(),
       fmt::format(what, std::forward<Args>(args)...));
}

nlohmann::json parse_header(const std::filesystem::path& path, const std::string& text) {
  // {tensor: {shape: [extent]}}: what is deeper is damage.
  const JsonLimits limits{.deepest = 8, .members = 10'000'000, .comments = false};
  if (const auto problem = json_problem(text, limits))
    corrupt(path, "its header {}: {}", problem->syntax ? "is no JSON" : "is refused", problem->text);
  nlohmann::json header = nlohmann::json::parse(text);
  if (!header.is_object()) corrupt(path, "its header is no JSON object");
  return header;
}

struct Entry {
  StoredTensor tensor;
  std::uint64_t begin = 0, end = 0;
};

std::uint64_t natural(const std::filesystem::path& path, const std::string& name, const char* key,
                      const nlohmann::json& value) {
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most)
    corrupt(path, "tensor '{}': {} holds {}, which is no whole number from 0 to 2^63 - 1", name, key,
            value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
  return value.get<std::uint64_t>();
}

Entry parse_entry(const std::filesystem::path& path, const std::string& name, const nlohmann::json& value) {
  if (!value.is_object() || value.size() != 3 || !value.contains("dtype") || !value.contains("shape") ||
      !value.contains("data_offsets"))
    corrupt(path, "tensor '{}' is not described by dtype, shape and data_offsets, and these alone", name);
  const nlohmann::json &dtype = value["dtype"], &shape = value["shape"], &offsets = value["data_offsets"];
  if (!dtype.is_string() || !shape.is_array() || !offsets.is_array() || offsets.size() != 2)
    corrupt(path, "tensor '{}': dtype must be a string, shape an array, data_offsets an array of two numbers",
            name);
  Entry entry;
  entry.tensor.name = name;
  const std::optional<DType> type = dtype_named(dtype.get_ref<const std::string&>());
  if (!type) corrupt(path, "tensor '{}' has the unknown dtype '{}'", name, dtype.get<std::string>());
  entry.tensor.dtype = *type;
  bool overflow = false;
  std::uint64_t bytes = size_of(*type);
  for (const nlohmann::json& extent : shape) {
    const std::uint64_t e = natural(path, name, "shape", extent);
    overflow |= __builtin_mul_overflow(bytes, e, &bytes);
    entry.tensor.shape.push_back(static_cast<std::int64_t>(e));
  }
  if (overflow)
    corrupt(path, "tensor '{}': the product of its shape {{{}}} overflows", name,
            fmt::join(entry.tensor.shape, ","));
  entry.begin = natural(path, name, "data_offsets", offsets[0]);
  entry.end = natural(path, name, "data_offsets", offsets[1]);
  if (entry.end < entry.begin || entry.end - entry.begin != bytes)
    corrupt(path, "tensor '{}': data_offsets [{}, {}] do not hold the {} bytes of {} {{{}}}", name,
            entry.begin, entry.end, bytes, name_of(*type), fmt::join(entry.tensor.shape, ","));
  return entry;
}

/// The data must be covered once, without gaps.
void check_cover(const std::filesystem::path& path, const std::vector<Entry>& entries,
                 std::uint64_t data_size) {
  std::uint64_t at = 0;
  for (const Entry& e : entries) {
    if (e.begin < at)
      corrupt(path, "tensor '{}' overlaps another one: it begins at {}, before {}", e.tensor.name, e.begin,
              at);
    if (e.begin > at)
      corrupt(path, "bytes {} to {} of the data, before tensor '{}', belong to no tensor", at, e.begin,
              e.tensor.name);
    if (e.end > data_size)
      corrupt(path, "tensor '{}' ends at byte {} of the data, of which there are {}; the file is truncated",
              e.tensor.name, e.end, data_size);
    at = e.end;
  }
  if (at != data_size) corrupt(path, "{} bytes follow the last tensor", data_size - at);
}

std::map<std::string, std::string> parse_metadata(const std::filesystem::path& path,
                                                  const nlohmann::json& value) {
  std::map<std::string, std::string> metadata;
  if (!value.is_object()) corrupt(path, "__metadata__ is no object");
  for (const auto& item : value.items()) {
    if (!item.value().is_string()) corrupt(path, "__metadata__ '{}' is no string", item.key());
    metadata[item.key()] = item.value().get<std::string>();
  }
  return metadata;
}

/// The header, and where the data begin.
struct Header {
  nlohmann::json json;
  std::uint64_t data_begin = 0, data_size = 0;
};

/// `read(offset, to, bytes)` fetches a piece of a file of `size` bytes.
template <class Read>
Header read_header(const std::filesystem::path& path, std::uint64_t size, Read read) {
  std::uint64_t header_size = 0;
  std::string head(std::min<std::uint64_t>(size, file_kind_bytes), '\0');
  read(0, head.data(), head.size());
  const bool header_follows = head.size() > 8 && head[8] == '{';  // whatever the length before it looks like
  const FileKind kind = kind_of_bytes(head);
  if (kind != FileKind::safetensors && !header_follows && (kind != FileKind::text || is_utf8(head)))
    if (const auto foreign = foreign_file(kind, "a safetensors file"))
      fail(ExitCode::checkpoint, "{}: {}", path.string(), *foreign);
  if (size < sizeof header_size) corrupt(path, "it has {} bytes and needs at least 8", size);
  read(0, &header_size, sizeof header_size);
  if (header_size > size - sizeof header_size || header_size > largest_header)
    corrupt(path, "its header length is {} bytes in a file of {} (at most {} are allowed)", header_size, size,
            largest_header);
  std::string text(header_size, '\0');
  read(sizeof header_size, text.data(), text.size());
  const std::uint64_t begin = sizeof header_size + header_size;
  return {parse_header(path, text), begin, size - begin};
}

template <class Read>
TensorFile parse(const std::filesystem::path& path, std::uint64_t size, Read read) {
  const Header header = read_header(path, size, read);
  TensorFile file;
  std::vector<Entry> entries;
  for (const auto& item : header.json.items()) {
    if (item.key() == "__metadata__")
      file.metadata = parse_metadata(path, item.value());
    else
      entries.push_back(parse_entry(path, item.key(), item.value()));
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  check_cover(path, entries, header.data_size);  // before anything is allocated
  for (Entry& e : entries) {
    e.tensor.bytes.resize(e.end - e.begin);
    read(header.data_begin + e.begin, e.tensor.bytes.data(), e.tensor.bytes.size());
    file.tensors.push_back(std::move(e.tensor));
  }
  return file;
}

}  // namespace

std::map<std::string, std::string> read_safetensors_metadata(const std::filesystem::path& path) {
  const FileHandle in(path, O_RDONLY, ExitCode::checkpoint);
  const Header header = read_header(
      path, in.size(), [&](std::uint64_t at, void* to, std::size_t bytes) { in.read(at, to, bytes); });
  const auto found = header.json.find("__metadata__");
  return found == header.json.end() ? std::map<std::string, std::string>() : parse_metadata(path, *found);
}

TensorFile read_safetensors(const std::filesystem::path& path) {
  const FileHandle in(path, O_RDONLY, ExitCode::checkpoint);
  return parse(path, in.size(),
               [&](std::uint64_t at, void* to, std::size_t bytes) { in.read(at, to, bytes); });
}

TensorFile parse_safetensors(std::string_view bytes, const std::filesystem::path& path) {
  return parse(path, bytes.size(), [&](std::uint64_t at, void* to, std::size_t count) {
    if (count > 0) std::memcpy(to, bytes.data() + at, count);
  });
}

}  // namespace espalier
