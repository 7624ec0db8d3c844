// weights_file.h: the tensors of a network as a file holds them, whatever its format: our checkpoints,
// anybody's safetensors, compact files. What they mean to a network: train/checkpoint.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "framework/io/safetensors.h"

namespace espalier {

struct NamedWeights {
  std::string name;
  std::vector<std::int64_t> shape;  ///< as on disk: OIHW for convolutions
  std::vector<float> values;        ///< row by row
  std::vector<std::uint8_t> kept;   ///< 1 kept, 0 pruned (its value is then +0); empty: nothing is pruned
};

struct WeightsFile {
  std::map<std::string, std::string> metadata;
  std::vector<NamedWeights> tensors;
  std::vector<std::string> notices;  ///< what was converted while reading, one sentence each

  /// Null if there is none of that name.
  const NamedWeights* find(std::string_view name) const;
};

/// Reads safetensors and compact files, each as it is or compressed by zstd; the content tells which. Weights
/// of F16, BF16 and F64 are converted, with a notice; PyTorch's counters "...num_batches_tracked" are left
/// out. Masks are found as
///   "NAME_mask"         0 or 1 for every value, in any dtype: PyTorch's, and ours of before;
///   "NAME_mask_bits"    U8, one bit for every value, as numpy.packbits(mask, bitorder="little") makes;
///   metadata "masks": "zeros"    matrices and kernels of all other names: what is 0 is pruned.
/// Throws Error(checkpoint) naming file, tensor and value if it is damaged, a weight is too large for float32
/// or of an integer dtype, a mask is of another shape or neither 0 nor 1.
WeightsFile read_weights_file(const std::filesystem::path& path);

/// The same of tensors that came from a file of another format; `path` is for messages.
WeightsFile weights_in(const TensorFile& file, const std::filesystem::path& path);

/// Throws Error(checkpoint) naming the first tensor and index with an infinite value or NaN.
void require_finite(const WeightsFile& file, const std::filesystem::path& path);

}  // namespace espalier
