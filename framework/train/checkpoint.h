// checkpoint.h: networks as safetensors files that Python opens: PyTorch's names, OIHW order, masks beside
// weights ("conv1.weight_mask", U8), what made them in __metadata__. Written to a temporary file, synced and
// renamed, so that no half of one is ever left.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "framework/io/safetensors.h"
#include "framework/nn/model.h"

namespace espalier {

void save_checkpoint(const std::filesystem::path& path, const Model& model,
                     std::map<std::string, std::string> metadata = {});

/// Loads weights, statistics and masks by name. A missing, extra or mis-shaped tensor is Error(checkpoint)
/// that lists all of them, and leaves the model as it was; so is a value that is not finite. Missing masks
/// mean nothing is pruned; PyTorch's num_batches_tracked is ignored. Returns the file's metadata.
std::map<std::string, std::string> load_checkpoint(const std::filesystem::path& path, Model& model);

}  // namespace espalier
