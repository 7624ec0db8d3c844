#include "framework/train/checkpoint.h"

#include <cmath>
#include <set>
#include <vector>

namespace espalier {
namespace {

std::vector<std::int64_t> disk_shape(const Shape& s) {
  if (s.rank() == 4) return {s[0], s[3], s[1], s[2]};  // OHWI -> OIHW
  std::vector<std::int64_t> shape;
  shape.reserve(s.rank());
  for (int a = 0; a < s.rank(); ++a) shape.push_back(s[a]);
  return shape;
}

/// Calls fn(index in memory, index on disk) for every value of a tensor of shape `s`.
template <class Fn>
void for_each_value(const Shape& s, Fn fn) {
  if (s.rank() != 4) {
    for (Index i = 0; i < s.size(); ++i) fn(i, i);
    return;
  }
  for (Index o = 0, m = 0; o < s[0]; ++o)
    for (Index h = 0; h < s[1]; ++h)
      for (Index w = 0; w < s[2]; ++w)
        for (Index i = 0; i < s[3]; ++i, ++m) fn(m, ((o * s[3] + i) * s[1] + h) * s[2] + w);
}

std::string list(const std::vector<std::string>& items) {
  constexpr std::size_t most = 12;
  std::string text;
  for (std::size_t i = 0; i < std::min(items.size(), most); ++i) text += "\n    " + items[i];
  if (items.size() > most) text += fmt::format("\n    ... and {} more", items.size() - most);
  return text;
}

/// What a finite float64 may still be: too large for the float32 we compute in, or a variance below zero.
void check_values(const std::filesystem::path& path, const StoredTensor& t) {
  const std::vector<float> values = to_floats(t);
  const bool variance = t.name.ends_with("running_var");
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i]) && !(variance && values[i] < 0)) continue;
    fail(ExitCode::checkpoint, "{}: tensor '{}' holds {} at index {} (counted row by row); {}", path.string(),
         t.name, to_doubles(t)[i], i,
         variance ? "a variance must not be negative, nor larger than float32 holds (3.4e38)"
                  : "larger than float32 holds (3.4e38)");
  }
}

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const Model& model,
                     std::map<std::string, std::string> metadata) {
  const ParameterStore& store = model.store();
  TensorFile file;
  file.metadata = std::move(metadata);
  file.metadata["format"] = "pt";  // what Python's safetensors expects of PyTorch layouts
  for (const ParameterInfo& p : store.infos()) {
    std::vector<float> values(p.shape.size());
    std::vector<std::uint8_t> mask(values.size());
    bool pruned = false;
    for_each_value(p.shape, [&](Index memory, Index disk) {
      const auto from = static_cast<std::size_t>(p.range.begin + memory);
      values[disk] = static_cast<float>(store.values()[from]);
      mask[disk] = store.mask()[from] != 0;
      pruned |= store.mask()[from] == 0;
    });
    file.add(p.name, disk_shape(p.shape), std::span<const float>(values));
    if (pruned) file.add(p.name + "_mask", disk_shape(p.shape), std::span<const std::uint8_t>(mask));
  }
  for (const StatisticInfo& s : store.statistic_infos()) {
    const auto values = store.statistics().subspan(s.range.begin, s.range.size());
    file.add(s.name, {s.range.size()},
             std::span<const float>(std::vector<float>(values.begin(), values.end())));
  }
  write_safetensors(path, file);
}

std::map<std::string, std::string> load_checkpoint(const std::filesystem::path& path, Model& model) {
  const TensorFile file = read_safetensors(path);
  require_finite(file, path);
  ParameterStore& store = model.store();
  std::vector<std::string> missing, misshaped, extra;
  std::set<std::string> expected;
  const auto check = [&](const std::string& name, const Shape& shape, bool optional) {
    expected.insert(name);
    const StoredTensor* t = file.find(name);
    if (!t && !optional) missing.push_back(fmt::format("{} {{{}}}", name, fmt::join(disk_shape(shape), ",")));
    if (t && t->shape != disk_shape(shape))
      misshaped.push_back(fmt::format("{}: {{{}}} in the file, the model has {{{}}}", name,
                                      fmt::join(t->shape, ","), fmt::join(disk_shape(shape), ",")));
  };
  for (const ParameterInfo& p : store.infos()) {
    check(p.name, p.shape, false);
    check(p.name + "_mask", p.shape, true);
  }
  for (const StatisticInfo& s : store.statistic_infos()) check(s.name, {s.range.size()}, false);
  for (const StoredTensor& t : file.tensors)
    if (!expected.contains(t.name) && !t.name.ends_with("num_batches_tracked")) extra.push_back(t.name);
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
  for (const StoredTensor& t : file.tensors) check_values(path, t);
  for (const ParameterInfo& p : store.infos()) {
    const std::vector<float> values = to_floats(*file.find(p.name));
    const StoredTensor* stored_mask = file.find(p.name + "_mask");
    const std::vector<float> mask =
        stored_mask ? to_floats(*stored_mask) : std::vector<float>(values.size(), 1.0F);
    for_each_value(p.shape, [&](Index memory, Index disk) {
      const auto to = static_cast<std::size_t>(p.range.begin + memory);
      store.values()[to] = static_cast<Real>(values[disk]);
      store.mask()[to] = mask[disk] != 0 ? Real(1) : Real(0);
    });
  }
  for (const StatisticInfo& s : store.statistic_infos()) {
    const std::vector<float> values = to_floats(*file.find(s.name));
    std::copy(values.begin(), values.end(), store.statistics().begin() + s.range.begin);
  }
  store.apply_mask();
  return file.metadata;
}

}  // namespace espalier
