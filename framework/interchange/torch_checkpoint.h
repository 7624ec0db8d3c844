// torch_checkpoint.h: the tensors of what torch.save wrote: state dicts, checkpoints that have one under
// "state_dict" or "model", whole modules, TorchScript archives. Both forms: the zip archive (since 1.6) and
// the pickles one after the other (before). Nothing in the file is executed: see pickle.h.
#pragma once

#include "framework/interchange/read_tensors.h"

namespace espalier {

/// Throws Error(checkpoint) naming file, place and fault: damage, tensors that leave their storage,
/// big-endian data, no tensors at all. Quantised, sparse and other unusual tensors are left out with a
/// notice.
ReadTensors read_torch(const std::filesystem::path& path);

}  // namespace espalier
