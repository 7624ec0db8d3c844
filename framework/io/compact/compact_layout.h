// compact_layout.h: what writer and reader of compact files share: names, and the checksum over all of a
// file.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "framework/io/compact/compact_file.h"

namespace espalier::compact_layout {

/// Metadata that are ours; all other keys are the caller's.
constexpr std::string_view version_key = "compact", version = "1", table_key = "tensors",
                           checksum_key = "crc32";

/// The arrays of bytes in the file, each the concatenation over all tensors in the order of the table. Values
/// lie as planes: first the lowest byte of each, then the next.
constexpr std::string_view gaps = "gaps", bitmasks = "bitmask", scales = "scale";
struct Plane {
  ValueType type;
  std::string_view name;  ///< numpy's name of the type
  std::size_t bytes;
};
constexpr std::array<Plane, 3> planes{
    {{ValueType::float32, "f4", 4}, {ValueType::float16, "f2", 2}, {ValueType::int8, "i1", 1}}};

/// CRC-32 of zlib, as eight hexadecimal digits, over the metadata but itself (each key, a zero byte, its
/// value, a zero byte; by key) and then the name and the bytes of every array, in the order of the file.
std::string checksum(const TensorFile& file);

}  // namespace espalier::compact_layout
