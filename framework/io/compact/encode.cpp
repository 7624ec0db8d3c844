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
    const Plane& plane = plane_of(coded.type);
    CompactTensor done{t.name, t.values.size(), 0, coded.type};

    const ByteArray by_gaps = gaps_of(kept), by_bits = bitmask_of(kept);
    const ByteArray& positions = by_gaps.size() < by_bits.size() ? by_gaps : by_bits;
    const auto count = static_cast<std::size_t>(std::count(kept.begin(), kept.end(), 1));
    const bool shorter = positions.size() + count * plane.bytes < coded.values.size();
    if (shorter || (masked && !tells_kept(coded, kept)))
      done.code = &positions == &by_gaps ? PositionCode::gaps : PositionCode::bitmask;
    else if (masked)
      done.code = PositionCode::zeros;
    const bool all = done.code == PositionCode::dense || done.code == PositionCode::zeros;

    ByteArray& values = values_[static_cast<std::size_t>(coded.type)];
    for (std::size_t i = 0; i < kept.size(); ++i)
      if (all || kept[i])
        values.insert(values.end(), coded.values.begin() + static_cast<std::ptrdiff_t>(i * plane.bytes),
                      coded.values.begin() + static_cast<std::ptrdiff_t>((i + 1) * plane.bytes));
    scales_.insert(scales_.end(), coded.scales.begin(), coded.scales.end());
    Json row = {t.name, t.shape, plane.name};
    if (done.code != PositionCode::dense) row.push_back(name_of(done.code));
    if (!all) {
      ByteArray& into = done.code == PositionCode::gaps ? gaps_ : bitmasks_;
      into.insert(into.end(), positions.begin(), positions.end());
      row.push_back(positions.size());
      if (!masked) row.push_back("unmasked");
      done.position_bytes = positions.size();
    }
    table_.push_back(std::move(row));
    done.stored = all ? done.size : count;
    done.value_bytes = done.stored * plane.bytes + coded.scales.size();
    done.bound =
        entropy_bytes(count, done.size) + static_cast<double>(count * plane.bytes + coded.scales.size());
    tensors_.push_back(std::move(done));
  }

  CompactFile finish(std::map<std::string, std::string> metadata, bool with_zstd) {
    TensorFile file;
    file.metadata = std::move(metadata);
    file.metadata[std::string(version_key)] = version;
    file.metadata[std::string(table_key)] = table_.dump();
    std::vector<std::size_t> parts;
    add_array(file, parts, gaps, gaps_, 1);
    add_array(file, parts, bitmasks, bitmasks_, 1);
    for (const Plane& p : planes)
      add_array(file, parts, p.name, values_[static_cast<std::size_t>(p.type)], p.bytes);
    add_array(file, parts, scales, scales_, sizeof(float));
    file.metadata[std::string(checksum_key)] = checksum(file);

    CompactFile out{to_safetensors(file, "compact file"), std::move(tensors_)};
    if (!with_zstd) return out;
    std::size_t data = 0;
    for (const std::size_t p : parts) data += p;
    std::vector<std::string_view> views{std::string_view(out.bytes).substr(0, out.bytes.size() - data)};
    for (std::size_t at = views[0].size(), i = 0; i < parts.size(); at += parts[i++])
      views.push_back(std::string_view(out.bytes).substr(at, parts[i]));
    out.bytes = zstd_compress(views);
    return out;
  }

 private:
  /// Whether the kept values are those that are not 0 once coded.
  static bool tells_kept(const Coded& coded, const std::vector<std::uint8_t>& kept) {
    const StoredTensor stored{"", dtype_of(coded.type), {}, coded.values};
    const std::vector<float> values = to_floats(stored);
    for (std::size_t i = 0; i < kept.size(); ++i)
      if ((values[i] != 0) != (kept[i] != 0)) return false;
    return true;
  }

  static DType dtype_of(ValueType type) {
    return type == ValueType::float32 ? DType::f32 : type == ValueType::float16 ? DType::f16 : DType::i8;
  }

  /// `width` planes of bytes; each is a part for zstd.
  static void add_array(TensorFile& file, std::vector<std::size_t>& parts, std::string_view name,
                        const ByteArray& values, std::size_t width) {
    if (values.empty()) return;
    const std::size_t count = values.size() / width;
    StoredTensor t{
        std::string(name), DType::u8, {static_cast<std::int64_t>(values.size())}, ByteArray(values.size())};
    if (width > 1) t.shape = {static_cast<std::int64_t>(width), static_cast<std::int64_t>(count)};
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t b = 0; b < width; ++b) t.bytes[b * count + i] = values[i * width + b];
    parts.insert(parts.end(), width, count);
    file.tensors.push_back(std::move(t));
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
