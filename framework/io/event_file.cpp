#include "framework/io/event_file.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>

namespace espalier {
namespace {

static_assert(std::endian::native == std::endian::little, "fixed-width fields are little-endian");

template <class Value>
std::string as_bytes(Value value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

/// Protocol buffers: 7 bits a byte, the lowest first.
std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 128; value >>= 7) bytes += static_cast<char>((value & 127) | 128);
  return bytes + static_cast<char>(value);
}

enum class Wire { varint = 0, fixed64 = 1, text = 2, fixed32 = 5 };
std::string key(int field, Wire wire) {
  return varint(static_cast<std::uint64_t>(field) << 3 | static_cast<std::uint64_t>(wire));
}
std::string text_field(int field, std::string_view text) {
  return key(field, Wire::text) + varint(text.size()) + std::string(text);
}

/// TensorFlow stores checksums rotated, so that a checksum of checksums is none of zeros.
std::uint32_t masked(std::string_view bytes) { return std::rotr(crc32c(bytes), 15) + 0xa282ead8U; }

std::string record(const std::string& event) {
  const std::string length = as_bytes(static_cast<std::uint64_t>(event.size()));
  return length + as_bytes(masked(length)) + event + as_bytes(masked(event));
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  static const std::array<std::uint32_t, 256> table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t c = i;
      for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ (c & 1 ? 0x82f63b78U : 0);
      t[i] = c;
    }
    return t;
  }();
  std::uint32_t crc = ~0U;
  for (const char b : bytes) crc = table[(crc ^ static_cast<unsigned char>(b)) & 255U] ^ (crc >> 8);
  return ~crc;
}

std::string event_file_head(double wall_time) {
  return record(key(1, Wire::fixed64) + as_bytes(wall_time) + text_field(3, "brain.Event:2"));
}

std::int64_t event_step(const MetricsRow& row, std::int64_t number_in_file) {
  const double epoch = number(row, "epoch");
  return std::isfinite(epoch) ? static_cast<std::int64_t>(epoch) : number_in_file;
}

std::string event_record(const MetricsRow& row, std::int64_t step, double wall_time) {
  std::string values;
  const std::string kind = text(row, "event");
  for (const auto& [name, value] : row) {
    const double v = number(row, name);
    if (!std::isfinite(v) || name == "epoch") continue;
    values += text_field(1, text_field(1, kind.empty() ? name : kind + "/" + name) + key(2, Wire::fixed32) +
                                as_bytes(static_cast<float>(v)));
  }
  if (values.empty()) return "";
  return record(key(1, Wire::fixed64) + as_bytes(wall_time) + key(2, Wire::varint) +
                varint(static_cast<std::uint64_t>(step)) + text_field(5, values));
}

}  // namespace espalier
