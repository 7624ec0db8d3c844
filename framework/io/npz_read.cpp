// npz_read.cpp: .npy arrays and .npz archives of them, as numpy.save, savez and savez_compressed write them.
#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "framework/core/check.h"
#include "framework/core/memory.h"
#include "framework/io/atomic_file.h"
#include "framework/io/npz.h"
#include "framework/io/zip.h"

namespace espalier {
namespace {

template <class... Args>
[[noreturn]] void corrupt(const std::string& where, fmt::format_string<Args...> what, Args&&... args) {
  fail(ExitCode::checkpoint, "{}: not a NumPy array that can be read here: {}", where,
       fmt::format(what, std::forward<Args>(args)...));
}

/// The head of an array is a Python dictionary of three known keys; this reads that much of Python.
class HeadParser {
 public:
  HeadParser(std::string_view text, const std::string& where) : rest_(text), where_(where) {}

  struct Head {
    std::string type;
    bool fortran = false;
    std::vector<std::int64_t> shape;
  };
  Head parse() {
    Head head;
    bool has_type = false, has_order = false, has_shape = false;
    expect('{');
    while (!accept('}')) {
      const std::string key = text();
      expect(':');
      if (key == "descr" && !std::exchange(has_type, true))
        head.type = type();
      else if (key == "fortran_order" && !std::exchange(has_order, true))
        head.fortran = boolean();
      else if (key == "shape" && !std::exchange(has_shape, true))
        head.shape = shape();
      else
        corrupt(where_, "its head has the key '{}' where descr, fortran_order and shape stand once each",
                key);
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    if (!has_type || !has_order || !has_shape)
      corrupt(where_, "its head lacks one of descr, fortran_order and shape");
    skip_space();
    if (!rest_.empty()) corrupt(where_, "its head goes on after the dictionary");
    return head;
  }

 private:
  void skip_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n\t"), rest_.size())); }
  bool accept(char c) {
    skip_space();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!accept(c))
      corrupt(where_, "its head has '{}' where '{}' should be", printable(rest_.substr(0, 8)), c);
  }
  static std::string printable(std::string_view text) {
    std::string out(text);
    std::replace_if(
        out.begin(), out.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return out;
  }
  std::string text() {
    skip_space();
    const char quote = rest_.empty() ? '\0' : rest_[0];
    const std::size_t end = quote == '\'' || quote == '"' ? rest_.find(quote, 1) : std::string_view::npos;
    if (end == std::string_view::npos) corrupt(where_, "its head has no string where one should be");
    std::string found = printable(rest_.substr(1, end - 1));
    rest_.remove_prefix(end + 1);
    return found;
  }
  std::string type() {
    skip_space();
    if (rest_.starts_with('[')) corrupt(where_, "it holds records of several fields; save each field alone");
    return text();
  }
  bool boolean() {
    skip_space();
    const bool yes = rest_.starts_with("True");
    if (!yes && !rest_.starts_with("False")) corrupt(where_, "fortran_order is neither True nor False");
    rest_.remove_prefix(yes ? 4 : 5);
    return yes;
  }
  std::vector<std::int64_t> shape() {
    std::vector<std::int64_t> extents;
    expect('(');
    while (!accept(')')) {
      skip_space();
      std::int64_t extent = -1;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), extent);
      if (error != std::errc{} || extent < 0)
        corrupt(where_, "its shape holds no whole number from 0 to 2^63 - 1");
      rest_.remove_prefix(end - rest_.data());
      extents.push_back(extent);
      if (extents.size() > 64) corrupt(where_, "it has more than 64 axes");
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return extents;
  }
  std::string_view rest_;
  const std::string& where_;
};

std::optional<DType> dtype_of(std::string_view type) {
  if (type.size() != 3 || (type[0] != '<' && type[0] != '|' && type[0] != '=')) return std::nullopt;
  struct Pair {
    std::string_view name;
    DType type;
  };
  constexpr Pair pairs[] = {{"b1", DType::boolean}, {"u1", DType::u8},  {"i1", DType::i8},
                            {"u2", DType::u16},     {"i2", DType::i16}, {"f2", DType::f16},
                            {"u4", DType::u32},     {"i4", DType::i32}, {"f4", DType::f32},
                            {"u8", DType::u64},     {"i8", DType::i64}, {"f8", DType::f64}};
  for (const Pair& p : pairs)
    if (type.substr(1) == p.name) return p.type;
  return std::nullopt;
}

/// Column by column on disk (the first index runs fastest), row by row in memory.
std::vector<std::byte> to_row_major(std::string_view bytes, const std::vector<std::int64_t>& shape,
                                    std::size_t value) {
  std::vector<std::byte> out(bytes.size());
  std::vector<std::int64_t> index(shape.size(), 0);
  std::vector<std::size_t> stride(shape.size(), 1);
  for (std::size_t a = 1; a < shape.size(); ++a) stride[a] = stride[a - 1] * shape[a - 1];
  std::size_t from = 0;
  for (std::size_t to = 0; to < bytes.size(); to += value) {
    std::memcpy(out.data() + to, bytes.data() + from * value, value);
    for (std::size_t a = shape.size(); a-- > 0;) {
      from += stride[a];
      if (++index[a] < shape[a]) break;
      from -= stride[a] * shape[a];
      index[a] = 0;
    }
  }
  return out;
}

StoredTensor parse_npy(std::string_view bytes, std::string name, const std::string& where) {
  const auto byte = [&](std::size_t i) {
    return static_cast<std::size_t>(static_cast<unsigned char>(bytes[i]));
  };
  if (bytes.size() < 10 || !bytes.starts_with("\x93NUMPY")) corrupt(where, "it does not begin as one");
  const std::size_t version = byte(6);
  if (version < 1 || version > 3) corrupt(where, "it has version {}.{}; 1 to 3 are read", version, byte(7));
  const std::size_t begin = version == 1 ? 10 : 12;
  if (bytes.size() < begin) corrupt(where, "its head is truncated");
  const std::size_t length = byte(8) | byte(9) << 8 | (version == 1 ? 0 : byte(10) << 16 | byte(11) << 24);
  if (length > bytes.size() - begin) corrupt(where, "its head of {} bytes is truncated", length);
  const auto head = HeadParser(bytes.substr(begin, length), where).parse();
  if (head.type.starts_with('>'))
    corrupt(where, "its type '{}' is big-endian; save it as array.astype(array.dtype.newbyteorder('<'))",
            head.type);
  if (head.type.ends_with('O')) corrupt(where, "it holds pickled Python objects; save arrays of numbers");
  const std::optional<DType> type = dtype_of(head.type);
  if (!type)
    corrupt(where, "its type '{}' is none of bool, int, uint of 8 to 64 bits, float of 16 to 64", head.type);
  std::uint64_t size = size_of(*type);
  for (const std::int64_t extent : head.shape)
    if (__builtin_mul_overflow(size, static_cast<std::uint64_t>(extent), &size))
      corrupt(where, "the product of its shape ({}) overflows", fmt::join(head.shape, ", "));
  const std::string_view data = bytes.substr(begin + length);
  if (data.size() != size)
    corrupt(where, "{} bytes follow its head, {} ({}) take {}; it is truncated or damaged", data.size(),
            head.type, fmt::join(head.shape, ", "), size);
  StoredTensor tensor{std::move(name), *type, head.shape, {}};
  if (head.fortran && head.shape.size() > 1) {
    tensor.bytes = to_row_major(data, head.shape, size_of(*type));
  } else {
    tensor.bytes.resize(data.size());
    if (!data.empty()) std::memcpy(tensor.bytes.data(), data.data(), data.size());
  }
  return tensor;
}

}  // namespace

StoredTensor read_npy(const std::filesystem::path& path) {
  std::error_code error;  // a file that is not there is reported by the next line
  const auto size = std::filesystem::file_size(path, error);
  if (!error) require_memory(2 * static_cast<double>(size), path.string());
  return parse_npy(read_whole_file(path, ExitCode::checkpoint), path.stem().string(), path.string());
}

TensorFile read_npz(const std::filesystem::path& path) {
  const ZipArchive archive(path, ExitCode::checkpoint);
  TensorFile file;
  for (const ZipEntry& entry : archive.entries()) {
    constexpr std::string_view suffix = ".npy";
    if (!entry.name.ends_with(suffix))
      fail(ExitCode::checkpoint, "{}: not a NumPy archive: its entry '{}' is no .npy array", path.string(),
           entry.name);
    file.tensors.push_back(parse_npy(archive.read(entry),
                                     entry.name.substr(0, entry.name.size() - suffix.size()),
                                     fmt::format("{}: '{}'", path.string(), entry.name)));
  }
  return file;
}

}  // namespace espalier
