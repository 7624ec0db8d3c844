// npz.h: arrays in NumPy's formats: .npy files, and zip archives of them (.npz). Written: float32, without
// compression; `np.load(f)` reads them by name. Read: whatever numpy.save, savez and savez_compressed write
// of numbers.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "framework/core/real.h"
#include "framework/io/safetensors.h"

namespace espalier {

struct NpyArray {
  std::string name;          ///< the key in the archive
  std::vector<Index> shape;  ///< row-major; its product must be values.size()
  std::vector<float> values;
};

/// Replaces `path` as a whole. Throws Error(io) if it cannot be written, or if the arrays exceed the 4 GiB of
/// a plain zip archive.
void write_npz(const std::filesystem::path& path, std::span<const NpyArray> arrays);

/// Writes one array as a .npy file; `path` is replaced as a whole. Throws Error(io).
void write_npy(const std::filesystem::path& path, const NpyArray& array);

/// One array, named after the file; row by row in memory whatever its order in the file. Versions 1 to 3;
/// little-endian bool, int and uint of 8 to 64 bits, float of 16 to 64. Throws Error(checkpoint) naming file
/// and fault.
StoredTensor read_npy(const std::filesystem::path& path);

/// All arrays of an archive by their keys, stored or deflated. Throws Error(checkpoint) naming file, entry
/// and fault.
TensorFile read_npz(const std::filesystem::path& path);

}  // namespace espalier
