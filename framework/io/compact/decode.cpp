// decode.cpp: compact files, read. Nothing is believed: the checksum is compared first, then every row of the
// table is held against the bytes that are there.
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "framework/core/check.h"
#include "framework/core/memory.h"
#include "framework/io/json_text.h"
#include "framework/io/compact/compact_layout.h"
#include "framework/io/compact/positions.h"

namespace espalier {
namespace compact_layout {

std::string checksum(const TensorFile& file) {
  auto crc = ::crc32(0, nullptr, 0);
  const auto take = [&](const void* data, std::size_t size) {
    crc = ::crc32_z(crc, static_cast<const Bytef*>(data), size);
  };
  const auto take_text = [&](const std::string& text) { take(text.c_str(), text.size() + 1); };
  for (const auto& [key, value] : file.metadata) {
    if (key == checksum_key) continue;
    take_text(key);
    take_text(value);
  }
  for (const StoredTensor& t : file.tensors) {
    take_text(t.name);
    take(t.bytes.data(), t.bytes.size());
  }
  return fmt::format("{:08x}", crc);
}

}  // namespace compact_layout

namespace {

using namespace compact_layout;
using Json = nlohmann::json;

template <class... Args>
[[noreturn]] void corrupt(const std::filesystem::path& path, fmt::format_string<Args...> what,
                          Args&&... args) {
  fail(ExitCode::checkpoint, "{}: not a valid compact file: {}. Copy or write it again", path.string(),
       fmt::format(what, std::forward<Args>(args)...));
}

/// An array of the file that is taken piece by piece, tensor by tensor.
struct Pool {
  ByteArray bytes;
  std::size_t at = 0;
};

/// A row of the table: [name, shape, type of values, how positions are stored, bytes of them, "unmasked"].
struct Row {
  std::string name;
  std::vector<std::int64_t> shape;
  const Plane* plane = nullptr;
  PositionCode code = PositionCode::dense;
  std::size_t position_bytes = 0;
  bool masked = true;
};

class Decoder {
 public:
  Decoder(const TensorFile& file, const std::filesystem::path& path) : path_(path) {
    for (const StoredTensor& t : file.tensors) {
      if (t.dtype != DType::u8)
        corrupt(path_, "array '{}' has dtype {} and not U8", t.name, name_of(t.dtype));
      pools_[t.name].bytes = in_order(t);
    }
  }

  NamedWeights next(const Json& json) {
    const Row row = parse(json);
    std::uint64_t size = 1;
    bool overflow = false;
    for (const std::int64_t e : row.shape)
      overflow |= __builtin_mul_overflow(size, static_cast<std::uint64_t>(e), &size) || size > most_values;
    if (overflow)
      corrupt(path_, "tensor '{}' has the shape {{{}}}, of more than 2^48 values", row.name,
              fmt::join(row.shape, ","));
    require_memory(6.0 * static_cast<double>(size), fmt::format("{}: tensor '{}'", path_.string(), row.name));
    NamedWeights t{row.name, row.shape, std::vector<float>(size), {}};
    const bool sparse = row.code == PositionCode::gaps || row.code == PositionCode::bitmask;
    std::vector<std::uint8_t> kept(sparse ? 0 : size, 1);
    if (sparse) {
      const char* why = nullptr;
      const auto positions = take(row, name_of(row.code), row.position_bytes);
      kept = row.code == PositionCode::gaps ? kept_of_gaps(positions, size, why)
                                            : kept_of_bitmask(positions, size, why);
      if (why)
        corrupt(path_, "tensor '{}': {} ({} bytes for {} weights)", row.name, why, positions.size(), size);
    }
    fill(t, row, kept);
    if (row.code == PositionCode::zeros)
      for (std::size_t i = 0; i < size; ++i) kept[i] = t.values[i] != 0;
    if (row.code != PositionCode::dense && row.masked) t.kept = std::move(kept);
    return t;
  }

  void finish() const {
    for (const auto& [name, pool] : pools_)
      if (pool.at != pool.bytes.size())
        corrupt(path_, "{} bytes of its array '{}' belong to no tensor", pool.bytes.size() - pool.at, name);
  }

 private:
  static constexpr std::uint64_t most_values = std::uint64_t{1} << 48;

  /// From planes to one value after another.
  ByteArray in_order(const StoredTensor& t) const {
    std::size_t width = t.name == scales ? sizeof(float) : 0;
    for (const Plane& p : planes)
      if (t.name == p.name) width = p.bytes;
    if (t.name == gaps || t.name == bitmasks) width = 1;
    if (width == 0) corrupt(path_, "it has an array '{}', which this version does not know", t.name);
    if (t.shape.size() != (width > 1 ? 2U : 1U) ||
        (width > 1 && t.shape[0] != static_cast<std::int64_t>(width)))
      corrupt(path_, "array '{}' has the shape {{{}}} instead of {} plane(s) of bytes", t.name,
              fmt::join(t.shape, ","), width);
    const std::size_t count = t.bytes.size() / width;
    ByteArray values(t.bytes.size());
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t b = 0; b < width; ++b) values[i * width + b] = t.bytes[b * count + i];
    return values;
  }

  Row parse(const Json& json) const {
    const auto wrong = [&](const char* rule) {
      corrupt(path_, "the row {} of its table is not [name, shape, type, positions, bytes, \"unmasked\"]: {}",
              json.dump(-1, ' ', true, Json::error_handler_t::replace), rule);
    };
    if (!json.is_array() || json.size() < 3 || json.size() > 6) wrong("it has 3 to 6 elements");
    if (!json[0].is_string() || !json[1].is_array() || !json[2].is_string())
      wrong("they begin with a string, a list and a string");
    Row row;
    row.name = json[0].get<std::string>();
    for (const Json& extent : json[1]) {
      if (!extent.is_number_unsigned() || extent.get<std::uint64_t>() > most_values)
        wrong("a shape has whole numbers up to 2^48");
      row.shape.push_back(extent.get<std::int64_t>());
    }
    for (const Plane& p : planes)
      if (json[2] == p.name) row.plane = &p;
    if (!row.plane) wrong("the type is f4, f2 or i1");
    if (row.plane->type == ValueType::int8 && row.shape.size() < 2) wrong("i1 is for matrices and kernels");
    if (json.size() == 3) return row;
    if (json[3] == name_of(PositionCode::zeros)) {
      row.code = PositionCode::zeros;
      if (json.size() > 4) wrong("zeros have no positions");
      return row;
    }
    row.code = json[3] == name_of(PositionCode::gaps) ? PositionCode::gaps : PositionCode::bitmask;
    if (json[3] != name_of(row.code)) wrong("positions are zeros, gaps or bitmask");
    if (json.size() < 5 || !json[4].is_number_unsigned()) wrong("gaps and bitmask have a number of bytes");
    row.position_bytes = json[4].get<std::size_t>();
    row.masked = json.size() < 6;
    if (!row.masked && json[5] != "unmasked") wrong("the last word can only be unmasked");
    return row;
  }

  /// The next `size` bytes of a pool; they belong to the tensor of `row`.
  std::span<const std::byte> take(const Row& row, std::string_view name, std::size_t size) {
    const auto found = pools_.find(name);
    const std::size_t left = found == pools_.end() ? 0 : found->second.bytes.size() - found->second.at;
    if (size > left)
      corrupt(path_, "tensor '{}' needs {} more bytes of the array '{}', which has {}", row.name, size, name,
              left);
    if (size == 0) return {};
    Pool& pool = found->second;
    pool.at += size;
    return {pool.bytes.data() + pool.at - size, size};
  }

  void fill(NamedWeights& t, const Row& row, const std::vector<std::uint8_t>& kept) {
    const auto count = static_cast<std::size_t>(std::count(kept.begin(), kept.end(), 1));
    const auto bytes = take(row, row.plane->name, count * row.plane->bytes);
    constexpr std::array<DType, planes.size()> dtypes{DType::f32, DType::f16, DType::i8};
    const std::vector<float> values = to_floats(
        {row.name, dtypes[static_cast<std::size_t>(row.plane->type)], {}, ByteArray(bytes.begin(), bytes.end())});
    for (std::size_t i = 0, v = 0; i < kept.size(); ++i)
      if (kept[i]) t.values[i] = values[v++];
    if (row.plane->type != ValueType::int8 || t.values.empty()) return;
    const auto channels = static_cast<std::size_t>(row.shape[0]), channel = t.values.size() / channels;
    const auto stored = take(row, scales, channels * sizeof(float));
    for (std::size_t i = 0; i < t.values.size(); ++i) {
      float scale = 0;
      std::memcpy(&scale, stored.data() + i / channel * sizeof scale, sizeof scale);
      t.values[i] *= scale;
    }
  }

  const std::filesystem::path& path_;
  std::map<std::string, Pool, std::less<>> pools_;
};

}  // namespace

std::string_view name_of(ValueType type) {
  return type == ValueType::float32 ? "float32" : type == ValueType::float16 ? "float16" : "int8";
}

std::string_view name_of(PositionCode code) {
  constexpr std::array<std::string_view, 4> names{"dense", "zeros", gaps, bitmasks};
  return names[static_cast<std::size_t>(code)];
}

bool is_compact(const TensorFile& file) { return file.metadata.contains(std::string(version_key)); }

WeightsFile decode_compact(const TensorFile& file, const std::filesystem::path& path) {
  WeightsFile out;
  out.metadata = file.metadata;
  const auto extract = [&](std::string_view key) {
    const auto node = out.metadata.extract(std::string(key));
    if (node.empty()) corrupt(path, "it has no '{}' in its metadata", key);
    return node.mapped();
  };
  const std::string written_as = extract(version_key), sum = extract(checksum_key),
                    table = extract(table_key);
  if (written_as != version)
    fail(ExitCode::checkpoint,
         "{}: a compact file of version {}; this program reads version {}. Use a later one", path.string(),
         written_as, version);
  if (const std::string found = checksum(file); sum != found)
    corrupt(path, "its checksum is {} and its contents have {}", sum, found);

  const bool harmless = !json_problem(table, {.deepest = 8, .comments = false});
  const Json rows = harmless ? Json::parse(table) : Json();
  if (!rows.is_array()) corrupt(path, "its table of tensors is no JSON list");
  Decoder decoder(file, path);
  std::set<std::string> names;
  for (const Json& row : rows) {
    out.tensors.push_back(decoder.next(row));
    if (!names.insert(out.tensors.back().name).second)
      corrupt(path, "tensor '{}' occurs twice", out.tensors.back().name);
  }
  decoder.finish();
  return out;
}

}  // namespace espalier
