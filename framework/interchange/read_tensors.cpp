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

void require_mask(const StoredTensor& mask, const StoredTensor& weight, const std::filesystem::path& path) {
  if (mask.shape != weight.shape)
    fail(ExitCode::checkpoint, "{}: the mask '{}' has the shape {{{}}}, its weight {{{}}}", path.string(),
         mask.name, fmt::join(mask.shape, ","), fmt::join(weight.shape, ","));
  const std::vector<float> values = to_floats(mask);
  const auto other = std::find_if(values.begin(), values.end(), [](float v) { return v != 0 && v != 1; });
  if (other != values.end())
    fail(ExitCode::checkpoint, "{}: the mask '{}' holds {} at index {}; masks hold 0 and 1 only",
         path.string(), mask.name, *other, other - values.begin());
}

/// torch.nn.utils.prune keeps x as x_orig beside x_mask and multiplies them at every use.
void join_masks(ReadTensors& t, const std::filesystem::path& path) {
  constexpr std::string_view suffix = "_orig";
  std::set<std::string, std::less<>> names;
  for (const StoredTensor& s : t.file.tensors) names.insert(s.name);
  int joined = 0;
  for (StoredTensor& s : t.file.tensors) {
    if (!s.name.ends_with(suffix)) continue;
    const std::string name = s.name.substr(0, s.name.size() - suffix.size());
    const StoredTensor* mask = t.file.find(name + "_mask");
    if (!mask || names.contains(name)) continue;
    require_mask(*mask, s, path);
    s.name = name;
    ++joined;
  }
  if (joined > 0)
    t.notices.push_back(
        fmt::format("{} tensors of torch.nn.utils.prune (..._orig with a ..._mask) are taken as "
                    "pruned weights.",
                    joined));
}

void note_conversions(ReadTensors& t) {
  for (const DType type : {DType::f16, DType::bf16, DType::f64}) {
    const auto count = std::count_if(t.file.tensors.begin(), t.file.tensors.end(),
                                     [&](const StoredTensor& s) { return s.dtype == type; });
    if (count > 0)
      t.notices.push_back(fmt::format("{} tensors of {} are converted to float32.", count, name_of(type)));
  }
}

}  // namespace

void bring_to_our_names(ReadTensors& tensors, const std::filesystem::path& path) {
  strip_common_prefix(tensors);
  join_masks(tensors, path);
}

ReadTensors read_tensors(const std::filesystem::path& path) {
  ReadTensors out;
  const FileKind kind = kind_of_file(path);
  switch (kind) {
    case FileKind::torch_zip:
    case FileKind::torch_legacy:
      out = read_torch(path);
      break;
    case FileKind::npz:
      out.file = read_npz(path);
      break;
    case FileKind::safetensors:
    case FileKind::unknown:  // missing, unreadable or damaged: the reader says what
      out.file = read_safetensors(path);
      break;
    default:
      fail(ExitCode::checkpoint, "{}: {}", path.string(),
           *foreign_file(kind, "a checkpoint (safetensors, .pt, .pth or .npz)"));
  }
  bring_to_our_names(out, path);
  note_conversions(out);
  return out;
}

}  // namespace espalier
