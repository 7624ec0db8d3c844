#include "framework/train/checkpoint.h"

#include <algorithm>
#include <vector>

#include "framework/io/compact/positions.h"
#include "framework/io/disk_order.h"
#include "framework/io/safetensors.h"

namespace espalier {
namespace {

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

}  // namespace espalier
