// read_tensors.h: named tensors from whatever file has them: safetensors, PyTorch's .pt and .pth (both
// forms), .npz, ONNX initialisers. The kind is told from the first bytes, not from the name.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "framework/io/safetensors.h"

namespace espalier {

struct ReadTensors {
  TensorFile file;
  std::vector<std::string> notices;  ///< what was chosen, renamed, converted or left out; one sentence each
};

/// Reads `path` and brings its names to PyTorch's: a prefix that all share ("module.", "_orig_mod.") goes,
/// "weight_orig" of torch.nn.utils.prune becomes "weight" beside its "weight_mask". Values stay as they are
/// stored; to_floats converts. Throws Error(checkpoint) naming file, place and fault; of a file of another
/// kind it says which kind that is and what to do.
ReadTensors read_tensors(const std::filesystem::path& path);

/// The renaming alone. Throws Error(checkpoint) if a mask holds anything but 0 and 1.
void bring_to_our_names(ReadTensors& tensors, const std::filesystem::path& path);

}  // namespace espalier
