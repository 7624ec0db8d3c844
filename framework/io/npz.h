// npz.h: arrays in NumPy's .npz format: a zip archive of .npy files, stored without compression. `np.load(f)`
// reads them by name. Writing only; float32 and little-endian only.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "framework/core/real.h"

namespace espalier {

struct NpyArray {
  std::string name;          ///< the key in the archive
  std::vector<Index> shape;  ///< row-major; its product must be values.size()
  std::vector<float> values;
};

/// Replaces `path` as a whole. Throws Error(io) if it cannot be written, or if the arrays exceed the 4 GiB of
/// a plain zip archive.
void write_npz(const std::filesystem::path& path, std::span<const NpyArray> arrays);

}  // namespace espalier
