// checkpoint.h: networks as safetensors files that Python opens: PyTorch's names, OIHW order, what made them
// in
// __metadata__. Written to a temporary file, synced and renamed. A weight of a matrix or kernel is pruned
// where it is 0, as metadata "masks": "zeros" says, so a pruned network takes no more room than a dense one;
// where that would be wrong (a kept weight that is 0, a pruned bias), "NAME_mask_bits" has one bit for each
// value:
//     mask = np.unpackbits(file["NAME_mask_bits"], count=w.size, bitorder="little").reshape(w.shape)
// Files of before with "NAME_mask" (0 or 1 for each value) and compact files (io/compact/README.md) are read
// as well.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "framework/io/compact/weights_file.h"
#include "framework/nn/model.h"

namespace espalier {

void save_checkpoint(const std::filesystem::path& path, const Model& model,
                     std::map<std::string, std::string> metadata = {});

struct LoadedCheckpoint {
  std::map<std::string, std::string> metadata;
  std::vector<std::string> notices;  ///< of what was converted
};

struct LoadOptions {
  bool partial = false;  ///< layers of which a tensor is missing or of another shape keep their values
  std::set<std::string> fresh =
      {};  ///< tensors that keep their values whatever the file has: a new classifier's
};

/// Loads weights, statistics and masks by name, of any file that read_weights() knows (interchange/read_tensors.h). A
/// missing, extra or mis-shaped tensor is Error(checkpoint) that lists all of them, with lines of a map that might
/// help (interchange/name_map.h), and leaves the model as it was; so is a value that is not finite. Missing masks mean
/// nothing is pruned; PyTorch's num_batches_tracked is ignored.
LoadedCheckpoint load_checkpoint(const std::filesystem::path& path, Model& model);
/// The same of a file that has been read; `path` is for messages. Gives what was not loaded, in sentences. Throws
/// Error(checkpoint) if nothing would be.
std::vector<std::string> load_weights(const WeightsFile& file, const std::filesystem::path& path,
                                      Model& model, const LoadOptions& options = {});

/// All tensors of a network under the names and in the order of a checkpoint, for a compact file.
WeightsFile checkpoint_of(const Model& model);

}  // namespace espalier
