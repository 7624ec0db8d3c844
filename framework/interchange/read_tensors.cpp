#include "framework/interchange/read_tensors.h"

#include <algorithm>
#include <set>

#include "framework/core/check.h"
#include "framework/interchange/torch_checkpoint.h"
#include "framework/io/file_kind.h"
#include "framework/io/npz.h"

namespace espalier {
namespace {

/// Wrappers put their own name before every other: DataParallel, torch.compile, SparseML's.
void strip_common_prefix(ReadTensors& t) {
  for (const std::string_view prefix : {"module.", "_orig_mod.", "_layer."}) {
    if (t.file.tensors.empty() ||
        !std::all_of(t.file.tensors.begin(), t.file.tensors.end(),
                     [&](const StoredTensor& s) { return s.name.starts_with(prefix); }))
      continue;
    for (StoredTensor& s : t.file.tensors) s.name.erase(0, prefix.size());
    t.notices.push_back(fmt::format("The prefix '{}' of all names was taken off.", prefix));
  }
}

/// torch.nn.utils.prune keeps x as x_orig beside x_mask and multiplies them at every use.
void join_masks(ReadTensors& t) {
  constexpr std::string_view suffix = "_orig";
  std::set<std::string, std::less<>> names;
  for (const StoredTensor& s : t.file.tensors) names.insert(s.name);
  int joined = 0;
  for (StoredTensor& s : t.file.tensors) {
    if (!s.name.ends_with(suffix)) continue;
    const std::string name = s.name.substr(0, s.name.size() - suffix.size());
    if (!names.contains(name + "_mask") || names.contains(name)) continue;
    s.name = name;
    ++joined;
  }
  if (joined > 0)
    t.notices.push_back(
        fmt::format("{} tensors of torch.nn.utils.prune (..._orig with a ..._mask) are taken as "
                    "pruned weights.",
                    joined));
}

}  // namespace

void bring_to_our_names(ReadTensors& tensors) {
  strip_common_prefix(tensors);
  join_masks(tensors);
}

WeightsFile read_weights(const std::filesystem::path& path) {
  ReadTensors read;
  switch (const FileKind kind = kind_of_file(path)) {
    case FileKind::torch_zip:
    case FileKind::torch_legacy:
      read = read_torch(path);
      break;
    case FileKind::npz:
      read.file = read_npz(path);
      break;
    case FileKind::safetensors:
    case FileKind::zstd:
    case FileKind::unknown:  // missing, unreadable or damaged: the reader says what
      return read_weights_file(path);
    default:
      fail(ExitCode::checkpoint, "{}: {}", path.string(),
           *foreign_file(kind, "a checkpoint (safetensors, .pt, .pth, .npz or compact)"));
  }
  bring_to_our_names(read);
  WeightsFile weights = weights_in(read.file, path);
  for (const std::string& notice : read.notices)
    weights.notices.push_back(fmt::format("{}: {}", path.string(), notice));
  return weights;
}

}  // namespace espalier
