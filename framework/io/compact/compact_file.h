// compact_file.h: networks in few bytes: of a pruned tensor the positions of its kept weights and their
// values, and nothing of the rest. The container is safetensors; README.md gives the layout and a reader in
// Python.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "framework/io/compact/weights_file.h"
#include "framework/io/safetensors.h"

namespace espalier {

/// How values are stored. int8: matrices and kernels as whole numbers from -127 to 127 times a scale for
/// every output channel, all else as float16. A tensor that float16 cannot hold (a value too large, or so
/// small that its error exceeded 2^-11 of the largest value of its channel) is stored as float32.
enum class ValueType { float32, float16, int8 };
std::string_view name_of(ValueType type);

/// How positions are stored. dense: all values; zeros: all values, and those that are 0 are pruned.
enum class PositionCode { dense, zeros, gaps, bitmask };
std::string_view name_of(PositionCode code);

/// What became of one tensor, before zstd.
struct CompactTensor {
  std::string name;
  std::size_t size = 0, stored = 0;  ///< values, and how many of them are in the file
  ValueType type = ValueType::float32;
  PositionCode code = PositionCode::dense;
  std::size_t position_bytes = 0, value_bytes = 0;  ///< value_bytes with the scales
  /// The least that positions drawn at random can take (entropy of size choose stored), and value_bytes.
  double bound = 0;
};

struct CompactFile {
  std::string bytes;  ///< the whole file
  std::vector<CompactTensor> tensors;
};

struct CompactOptions {
  ValueType values = ValueType::float32;
  bool zstd = true;
};

/// float32 is lossless, down to the sign of a kept zero. Of each tensor the shortest notation is taken.
/// Throws Error(internal) if a pruned weight is not +0.
CompactFile encode_compact(const WeightsFile& weights, const CompactOptions& options);

/// Whether a safetensors file is a compact one.
bool is_compact(const TensorFile& file);
/// The inverse of encode_compact, with its metadata; `path` is for messages. Throws Error(checkpoint) naming
/// file, tensor and rule if the file is damaged: all of it is under a checksum.
WeightsFile decode_compact(const TensorFile& file, const std::filesystem::path& path);

}  // namespace espalier
