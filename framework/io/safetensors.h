// safetensors.h: named arrays in the file format that Python's safetensors package reads and writes: 8 bytes
// of header length (little-endian), a JSON header {name: {dtype, shape, data_offsets}}, then the raw
// little-endian values without gaps. It knows nothing of models: see train/checkpoint.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace espalier {

enum class DType { boolean, u8, i8, u16, i16, f16, bf16, u32, i32, f32, u64, i64, f64 };

/// Name in the header, such as "F32".
std::string_view name_of(DType type);
/// Empty if no dtype has that name.
std::optional<DType> dtype_named(std::string_view name);
/// Bytes of one value.
std::size_t size_of(DType type);

struct StoredTensor {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;  ///< {} is a scalar
  std::vector<std::byte> bytes;     ///< row-major, little-endian
};

struct TensorFile {
  std::map<std::string, std::string> metadata;
  std::vector<StoredTensor> tensors;  ///< after reading: in the order of the data in the file

  /// Null if there is none of that name.
  const StoredTensor* find(std::string_view name) const;
  /// Appends a copy of `values`; their number must be the product of `shape`.
  void add(std::string name, std::vector<std::int64_t> shape, std::span<const float> values);
  void add(std::string name, std::vector<std::int64_t> shape, std::span<const double> values);
  void add(std::string name, std::vector<std::int64_t> shape, std::span<const std::uint8_t> values);
  void add(std::string name, std::vector<std::int64_t> shape, std::span<const std::int64_t> values);
};

/// The values converted from any dtype: F16 and BF16 exactly, the rest as by static_cast.
std::vector<float> to_floats(const StoredTensor& tensor);
std::vector<double> to_doubles(const StoredTensor& tensor);

/// Reads and checks all of it: lengths, JSON, duplicate names, dtypes, shapes, offsets that overlap, leave
/// gaps, leave the file or differ from the shape, bytes left over.
/// Throws Error(checkpoint) naming file and tensor.
TensorFile read_safetensors(const std::filesystem::path& path);
/// The same of a file that is in memory; `path` is for messages.
TensorFile parse_safetensors(std::string_view bytes, const std::filesystem::path& path);

/// Only what its header says beside the tensors; the data are not read. Throws as read_safetensors().
std::map<std::string, std::string> read_safetensors_metadata(const std::filesystem::path& path);

/// Writes atomically (atomic_file.h). Wide values first, so that all are aligned in the file. Throws
/// Error(io).
void write_safetensors(const std::filesystem::path& path, const TensorFile& file);
/// The bytes of such a file; `name` stands for it in messages.
std::string to_safetensors(const TensorFile& file, const std::string& name);

}  // namespace espalier
