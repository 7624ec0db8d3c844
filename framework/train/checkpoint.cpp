#include "framework/train/checkpoint.h"

#include <algorithm>
#include <set>
#include <vector>

#include "framework/interchange/read_tensors.h"
#include "framework/io/compact/positions.h"
#include "framework/io/disk_order.h"
#include "framework/io/safetensors.h"

namespace espalier {
namespace {

std::string list(const std::vector<std::string>& items) {
  constexpr std::size_t most = 12;
  std::string text;
  for (std::size_t i = 0; i < std::min(items.size(), most); ++i) text += "\n    " + items[i];
  if (items.size() > most) text += fmt::format("\n    ... and {} more", items.size() - most);
  return text;
}

/// What a finite number may still be: a variance below zero, whose root is none.
void check_variance(const std::filesystem::path& path, const NamedWeights& t) {
  if (!t.name.ends_with("running_var")) return;
  for (std::size_t i = 0; i < t.values.size(); ++i)
    if (t.values[i] < 0)
      fail(ExitCode::checkpoint, "{}: tensor '{}' holds {} at index {}; a variance must not be negative",
           path.string(), t.name, t.values[i], i);
}

/// Whether a reader finds the mask in the weights themselves: metadata "masks": "zeros"
/// (io/compact/weights_file.h).
bool told_by_zeros(const std::vector<std::int64_t>& shape, const std::vector<float>& values,
                   const std::vector<std::uint8_t>& kept) {
  for (std::size_t i = 0; i < kept.size(); ++i)
    if ((kept[i] != 0) != (shape.size() < 2 || values[i] != 0)) return false;
  return true;
}

/// One parameter with its mask, in the order on disk.
NamedWeights on_disk(const ParameterStore& store, const ParameterInfo& p) {
  NamedWeights t{p.name, disk_shape(p.shape), std::vector<float>(p.shape.size()),
                 std::vector<std::uint8_t>(p.shape.size())};
  for_each_value(p.shape, [&](Index memory, Index disk) {
    t.values[disk] = static_cast<float>(store.values()[p.range.begin + memory]);
    t.kept[disk] = store.mask()[p.range.begin + memory] != 0;
  });
  return t;
}

NamedWeights on_disk(const ParameterStore& store, const StatisticInfo& s) {
  const auto values = store.statistics().subspan(s.range.begin, s.range.size());
  return {s.name, {s.range.size()}, std::vector<float>(values.begin(), values.end()), {}};
}

}  // namespace

WeightsFile checkpoint_of(const Model& model) {
  const ParameterStore& store = model.store();
  WeightsFile weights;
  for (const ParameterInfo& p : store.infos()) {
    NamedWeights t = on_disk(store, p);
    if (std::find(t.kept.begin(), t.kept.end(), 0) == t.kept.end()) t.kept.clear();
    weights.tensors.push_back(std::move(t));
  }
  for (const StatisticInfo& s : store.statistic_infos()) weights.tensors.push_back(on_disk(store, s));
  return weights;
}

void save_checkpoint(const std::filesystem::path& path, const Model& model,
                     std::map<std::string, std::string> metadata) {
  const ParameterStore& store = model.store();
  TensorFile file;
  file.metadata = std::move(metadata);
  file.metadata["format"] = "pt";  // what Python's safetensors expects of PyTorch layouts
  file.metadata["masks"] = "zeros";
  for (const ParameterInfo& p : store.infos()) {
    const NamedWeights t = on_disk(store, p);
    file.add(t.name, t.shape, std::span<const float>(t.values));
    if (told_by_zeros(t.shape, t.values, t.kept)) continue;
    ByteArray bits = bitmask_of(t.kept);
    const auto size = static_cast<std::int64_t>(bits.size());
    file.tensors.push_back({t.name + "_mask_bits", DType::u8, {size}, std::move(bits)});
  }
  for (const StatisticInfo& s : store.statistic_infos()) {
    const NamedWeights t = on_disk(store, s);
    file.add(t.name, t.shape, std::span<const float>(t.values));
  }
  write_safetensors(path, file);
}

LoadedCheckpoint load_checkpoint(const std::filesystem::path& path, Model& model) {
  WeightsFile file = read_weights(path);
  load_weights(file, path, model);
  return {std::move(file.metadata), std::move(file.notices)};
}

void load_weights(const WeightsFile& file, const std::filesystem::path& path, Model& model) {
  require_finite(file, path);
  ParameterStore& store = model.store();
  std::vector<std::string> missing, misshaped, extra;
  std::set<std::string> expected;
  const auto check = [&](const std::string& name, const Shape& shape) {
    expected.insert(name);
    const NamedWeights* t = file.find(name);
    if (!t) missing.push_back(fmt::format("{} {{{}}}", name, fmt::join(disk_shape(shape), ",")));
    if (t && t->shape != disk_shape(shape))
      misshaped.push_back(fmt::format("{}: {{{}}} in the file, the model has {{{}}}", name,
                                      fmt::join(t->shape, ","), fmt::join(disk_shape(shape), ",")));
  };
  for (const ParameterInfo& p : store.infos()) check(p.name, p.shape);
  for (const StatisticInfo& s : store.statistic_infos()) check(s.name, {s.range.size()});
  for (const NamedWeights& t : file.tensors)
    if (!expected.contains(t.name)) extra.push_back(t.name);
  if (!missing.empty() || !misshaped.empty() || !extra.empty()) {
    std::string text;
    if (!missing.empty()) text += "\n  missing (shapes on disk, OIHW):" + list(missing);
    if (!misshaped.empty()) text += "\n  of another shape:" + list(misshaped);
    if (!extra.empty()) text += "\n  not in the model:" + list(extra);
    fail(ExitCode::checkpoint,
         "{}: not a checkpoint of this model; its tensors must match one by one. Set \"model\" to the "
         "network it "
         "was saved from.{}",
         path.string(), text);
  }
  for (const NamedWeights& t : file.tensors) check_variance(path, t);
  const std::span<Real> values = store.values(), mask = store.mask();
  for (const ParameterInfo& p : store.infos()) {
    const NamedWeights& t = *file.find(p.name);
    for_each_value(p.shape, [&](Index memory, Index disk) {
      values[p.range.begin + memory] = static_cast<Real>(t.values[disk]);
      mask[p.range.begin + memory] = t.kept.empty() || t.kept[disk] ? Real(1) : Real(0);
    });
  }
  for (const StatisticInfo& s : store.statistic_infos()) {
    const NamedWeights& t = *file.find(s.name);
    std::copy(t.values.begin(), t.values.end(), store.statistics().begin() + s.range.begin);
  }
  store.apply_mask();
}

}  // namespace espalier
