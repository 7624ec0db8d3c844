// read_tensors.h: the weights of a network from whatever file has them: our checkpoints, safetensors, compact files,
// PyTorch's .pt and .pth (both forms), .npz. The kind is told from the first bytes, not from the name.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "framework/io/compact/weights_file.h"
#include "framework/io/safetensors.h"

namespace espalier {

/// Tensors as a file of another format stores them.
struct ReadTensors {
  TensorFile file;
  std::vector<std::string> notices;  ///< what was chosen, renamed or left out; one sentence each
};

/// Brings names to PyTorch's: a prefix that all share ("module.", "_orig_mod.") goes, "weight_orig" of
/// torch.nn.utils.prune becomes "weight" beside its "weight_mask".
void bring_to_our_names(ReadTensors& tensors);

/// Reads `path`. Throws Error(checkpoint) naming file, place and fault; of a file of another kind it says which kind
/// that is and what to do. What was renamed, left out and converted is in the notices.
WeightsFile read_weights(const std::filesystem::path& path);

}  // namespace espalier
