// encode.cpp: compact files, written.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "framework/core/check.h"
#include "framework/io/compact/compact_layout.h"
#include "framework/io/compact/float16.h"
#include "framework/io/compact/positions.h"
#include "framework/io/compact/zstd.h"

namespace espalier {
namespace {

using namespace compact_layout;
using Json = nlohmann::json;

/// Values of one output channel: rows of matrices and kernels, single values of vectors.
std::size_t channel_size(const NamedWeights& t) {
  return t.shape.size() < 2 || t.shape[0] == 0 ? 1 : t.values.size() / static_cast<std::size_t>(t.shape[0]);
}

float largest(std::span<const float> values) {
  float most = 0;
  for (const float v : values) most = std::max(most, std::fabs(v));
  return most;
}

bool fits_float16(const NamedWeights& t) {
  const std::size_t channel = channel_size(t);
  for (std::size_t begin = 0; begin < t.values.size(); begin += channel) {
    const std::span<const float> values(t.values.data() + begin, channel);
    const float allowed = 0x1p-11F * largest(values);
    for (const float v : values)
      if (!(std::fabs(from_float16(to_float16(v)) - v) <= allowed)) return false;
  }
  return true;
}

/// The largest value of a channel / 127, rounded up to the upper half of a float: the lower half is then zero
/// in every scale and compresses to nothing.
float scale_of(std::span<const float> channel) {
  const auto bits = std::bit_cast<std::uint32_t>(largest(channel) / 127);
  const std::uint32_t rounded = (bits + 0xffff) & 0xffff0000;
  return rounded == 0 ? 1.0F : std::bit_cast<float>(rounded);
}

/// All values of a tensor in its type, one after another, little-endian.
struct Coded {
  ValueType type = ValueType::float32;
  ByteArray values, scales;
};

template <class T>
void append(ByteArray& to, T value) {
  const auto* from = reinterpret_cast<const std::byte*>(&value);
  to.insert(to.end(), from, from + sizeof value);
}

Coded code_values(const NamedWeights& t, ValueType wanted) {
  Coded coded;
  if (wanted == ValueType::int8 && t.shape.size() >= 2 && !t.values.empty()) {
    coded.type = ValueType::int8;
    const std::size_t channel = channel_size(t);
    for (std::size_t begin = 0; begin < t.values.size(); begin += channel) {
      const std::span<const float> values(t.values.data() + begin, channel);
      const float scale = scale_of(values);
      append(coded.scales, scale);
      for (const float v : values)
        append(coded.values,
               static_cast<std::int8_t>(std::clamp(std::nearbyint(v / scale), -127.0F, 127.0F)));
    }
  } else if (wanted != ValueType::float32 && fits_float16(t)) {
    coded.type = ValueType::float16;
    for (const float v : t.values) append(coded.values, to_float16(v));
  } else {
    for (const float v : t.values) append(coded.values, v);
  }
  return coded;
}

const Plane& plane_of(ValueType type) { return planes[static_cast<std::size_t>(type)]; }

/// Without a mask, what can be left out is +0: -0 is another number.
std::vector<std::uint8_t> not_zero(const std::vector<float>& values) {
  std::vector<std::uint8_t> flags(values.size());
  for (std::size_t i = 0; i < flags.size(); ++i) flags[i] = std::bit_cast<std::uint32_t>(values[i]) != 0;
  return flags;
}

double entropy_bytes(std::size_t stored, std::size_t size) {
  if (stored == 0 || stored == size) return 0;
  const double p = static_cast<double>(stored) / static_cast<double>(size);
  return static_cast<double>(size) * -(p * std::log2(p) + (1 - p) * std::log2(1 - p)) / 8;
}

/// Whether the kept values are those that are not 0 once coded.
bool told_by_zeros(const Coded& coded, const std::vector<std::uint8_t>& kept) {
  constexpr std::array<DType, planes.size()> dtypes{DType::f32, DType::f16, DType::i8};
  const std::vector<float> values =
      to_floats({"", dtypes[static_cast<std::size_t>(coded.type)], {}, coded.values});
  for (std::size_t i = 0; i < kept.size(); ++i)
    if ((values[i] != 0) != (kept[i] != 0)) return false;
  return true;
}

class Encoder {
 public:
  explicit Encoder(ValueType values) : wanted_(values) {}

  void add(const NamedWeights& t) {
    const bool masked = std::find(t.kept.begin(), t.kept.end(), 0) != t.kept.end();
    const std::vector<std::uint8_t> kept = masked ? t.kept : not_zero(t.values);
    for (std::size_t i = 0; i < kept.size(); ++i)
      require(kept[i] || std::bit_cast<std::uint32_t>(t.values[i]) == 0, "[compact] {}[{}] is pruned and {}",
              t.name, i, t.values[i]);
    const Coded coded = code_values(t, wanted_);
    const std::size_t width = plane_of(coded.type).bytes;
    const ByteArray by_gaps = gaps_of(kept), by_bits = bitmask_of(kept);
    const bool gaps_win = by_gaps.size() < by_bits.size();
    const ByteArray& positions = gaps_win ? by_gaps : by_bits;
    const auto count = static_cast<std::size_t>(std::count(kept.begin(), kept.end(), 1));

    const bool sparse =
        positions.size() + count * width < coded.values.size() || (masked && !told_by_zeros(coded, kept));
    const PositionCode code = sparse   ? (gaps_win ? PositionCode::gaps : PositionCode::bitmask)
                              : masked ? PositionCode::zeros
                                       : PositionCode::dense;
    Json row = {t.name, t.shape, plane_of(coded.type).name};
    if (code != PositionCode::dense) row.push_back(name_of(code));
    if (sparse) {
      row.push_back(positions.size());
      if (!masked) row.push_back("unmasked");
      append_all(gaps_win ? gaps_ : bitmasks_, positions);
    }
    table_.push_back(std::move(row));
    ByteArray& values = values_[static_cast<std::size_t>(coded.type)];
    for (std::size_t i = 0; i < kept.size(); ++i)
      if (kept[i] || !sparse) append_all(values, std::span(coded.values).subspan(i * width, width));
    append_all(scales_, coded.scales);

    const std::size_t stored = sparse ? count : kept.size();
    const auto exact = static_cast<double>(count * width + coded.scales.size());
    tensors_.push_back({t.name, kept.size(), stored, coded.type, code, sparse ? positions.size() : 0,
                        stored * width + coded.scales.size(), entropy_bytes(count, kept.size()) + exact});
  }

  CompactFile finish(std::map<std::string, std::string> metadata, bool with_zstd) {
    TensorFile file;
    file.metadata = std::move(metadata);
    file.metadata[std::string(version_key)] = version;
    file.metadata[std::string(table_key)] = table_.dump();
    add_array(file, gaps, gaps_, 1);
    add_array(file, bitmasks, bitmasks_, 1);
    for (const Plane& p : planes) add_array(file, p.name, values_[static_cast<std::size_t>(p.type)], p.bytes);
    add_array(file, scales, scales_, sizeof(float));
    file.metadata[std::string(checksum_key)] = checksum(file);
    CompactFile out{to_safetensors(file, "compact file"), std::move(tensors_)};
    if (with_zstd) out.bytes = zstd_compress(parts_of(out.bytes, file));
    return out;
  }

 private:
  static void append_all(ByteArray& to, std::span<const std::byte> from) {
    to.insert(to.end(), from.begin(), from.end());
  }

  /// `width` planes of bytes.
  static void add_array(TensorFile& file, std::string_view name, const ByteArray& values, std::size_t width) {
    if (values.empty()) return;
    const std::size_t count = values.size() / width;
    StoredTensor t{
        std::string(name), DType::u8, {static_cast<std::int64_t>(count)}, ByteArray(values.size())};
    if (width > 1) t.shape.insert(t.shape.begin(), static_cast<std::int64_t>(width));
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t b = 0; b < width; ++b) t.bytes[b * count + i] = values[i * width + b];
    file.tensors.push_back(std::move(t));
  }

  /// The header, and every plane of every array.
  static std::vector<std::string_view> parts_of(std::string_view bytes, const TensorFile& file) {
    std::size_t header = bytes.size();
    for (const StoredTensor& t : file.tensors) header -= t.bytes.size();
    std::vector<std::string_view> parts{bytes.substr(0, header)};
    std::size_t at = header;
    for (const StoredTensor& t : file.tensors) {
      const auto plane = static_cast<std::size_t>(t.shape.back());
      for (const std::size_t end = at + t.bytes.size(); at < end; at += plane)
        parts.push_back(bytes.substr(at, plane));
    }
    return parts;
  }

  ValueType wanted_;
  Json table_ = Json::array();
  ByteArray gaps_, bitmasks_, scales_;
  std::array<ByteArray, planes.size()> values_;
  std::vector<CompactTensor> tensors_;
};

}  // namespace

CompactFile encode_compact(const WeightsFile& weights, const CompactOptions& options) {
  Encoder encoder(options.values);
  // Matrices and kernels first: one after another, the like compresses better than the unlike.
  for (const bool vectors : {false, true})
    for (const NamedWeights& t : weights.tensors)
      if ((t.shape.size() < 2) == vectors) encoder.add(t);
  return encoder.finish(weights.metadata, options.zstd);
}

}  // namespace espalier
