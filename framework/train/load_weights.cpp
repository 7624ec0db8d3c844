// load_weights.cpp: a file's tensors into a network: all of them one by one, or as many as fit.
#include <algorithm>
#include <set>
#include <vector>

#include "framework/interchange/name_map.h"
#include "framework/interchange/read_tensors.h"
#include "framework/io/disk_order.h"
#include "framework/train/checkpoint.h"

namespace espalier {
namespace {

std::string list_of(const std::vector<std::string>& items) {
  constexpr std::size_t most = 12;
  std::string text;
  for (std::size_t i = 0; i < std::min(items.size(), most); ++i) text += "\n    " + items[i];
  if (items.size() > most) text += fmt::format("\n    ... and {} more", items.size() - most);
  return text;
}

std::string some_of(const std::vector<std::string>& items) {
  constexpr std::size_t most = 12;
  const std::size_t shown = std::min(items.size(), most);
  std::string text =
      fmt::format("{}", fmt::join(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(shown), ", "));
  if (items.size() > most) text += fmt::format(" and {} more", items.size() - most);
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

std::string layer_of(const std::string& name) { return name.substr(0, name.rfind('.')); }

/// What a network wants beside what a file has.
struct Comparison {
  std::vector<NamedShape> missing, extra;
  std::vector<std::string> settled, misshaped;
  std::set<std::string> fresh;  ///< layers of which something is missing or of another shape
  std::vector<std::string> why_fresh;

  Comparison(const ParameterStore& store, const WeightsFile& file, const std::set<std::string>& not_wanted) {
    std::set<std::string> wanted;
    const auto check = [&](const std::string& name, const Shape& shape) {
      wanted.insert(name);
      if (not_wanted.contains(name)) return;
      const std::vector<std::int64_t> own = disk_shape(shape);
      const NamedWeights* t = file.find(name);
      if (t && t->shape == own) return settled.push_back(name);
      const std::string what = t ? fmt::format("{}: {{{}}} in the file, the model has {{{}}}", name,
                                               fmt::join(t->shape, ","), fmt::join(own, ","))
                                 : fmt::format("{} {{{}}}", name, fmt::join(own, ","));
      if (t)
        misshaped.push_back(what);
      else
        missing.push_back({name, own});
      if (fresh.insert(layer_of(name)).second)
        why_fresh.push_back(fmt::format("{} ({})", layer_of(name), t ? what : what + " is missing"));
    };
    for (const ParameterInfo& p : store.infos()) check(p.name, p.shape);
    for (const StatisticInfo& s : store.statistic_infos()) check(s.name, {s.range.size()});
    for (const NamedWeights& t : file.tensors)
      if (!wanted.contains(t.name)) extra.push_back({t.name, t.shape});
  }

  bool whole() const { return missing.empty() && misshaped.empty() && extra.empty(); }

  std::string suggestions() const {
    const std::vector<std::string> lines = suggest_renames(missing, extra, settled);
    if (lines.empty()) return "";
    return "\n  by shapes and names, these lines in a file given as --map FILE or \"checkpoint\": {\"map\": FILE} might do:" +
           list_of(lines);
  }

  std::string describe() const {
    const auto named = [](const std::vector<NamedShape>& all) {
      std::vector<std::string> lines;
      for (const NamedShape& t : all)
        lines.push_back(fmt::format("{} {{{}}}", t.name, fmt::join(t.shape, ",")));
      return list_of(lines);
    };
    std::string text;
    if (!missing.empty()) text += "\n  missing (shapes on disk, OIHW):" + named(missing);
    if (!misshaped.empty()) text += "\n  of another shape:" + list_of(misshaped);
    if (!extra.empty()) text += "\n  not in the model:" + named(extra);
    return text + suggestions();
  }
};

}  // namespace

LoadedCheckpoint load_checkpoint(const std::filesystem::path& path, Model& model) {
  WeightsFile file = read_weights(path);
  load_weights(file, path, model);
  return {std::move(file.metadata), std::move(file.notices)};
}

std::vector<std::string> load_weights(const WeightsFile& file, const std::filesystem::path& path,
                                      Model& model, const LoadOptions& options) {
  require_finite(file, path);
  ParameterStore& store = model.store();
  const Comparison c(store, file, options.fresh);
  std::vector<std::string> notices;
  if (!c.whole() && !options.partial)
    fail(
        ExitCode::checkpoint,
        "{}: not a checkpoint of this model; its tensors must match one by one. Set \"model\" to the "
        "network it was saved from, or \"checkpoint\": {{\"path\": ..., \"partial\": true}} to begin with what "
        "matches.{}",
        path.string(), c.describe());
  const auto stays = [&](const std::string& name) {
    return options.fresh.contains(name) || c.fresh.contains(layer_of(name));
  };
  std::size_t taken = 0;
  for (const std::string& name : c.settled) taken += !stays(name);
  if (taken == 0)
    fail(ExitCode::checkpoint, "{}: none of its {} tensors fits the model.{}", path.string(),
         file.tensors.size(), c.describe());
  if (!c.why_fresh.empty())
    notices.push_back(fmt::format("{}: {} layers start fresh: {}{}", path.string(), c.why_fresh.size(),
                                  some_of(c.why_fresh), c.suggestions()));
  if (!c.extra.empty()) {
    std::vector<std::string> names;
    for (const NamedShape& t : c.extra) names.push_back(t.name);
    notices.push_back(
        fmt::format("{}: {} of its tensors are not used: {}", path.string(), names.size(), some_of(names)));
  }
  for (const NamedWeights& t : file.tensors) check_variance(path, t);
  const std::span<Real> values = store.values(), mask = store.mask();
  for (const ParameterInfo& p : store.infos()) {
    if (stays(p.name)) continue;
    const NamedWeights& t = *file.find(p.name);
    for_each_value(p.shape, [&](Index memory, Index disk) {
      values[p.range.begin + memory] = static_cast<Real>(t.values[disk]);
      mask[p.range.begin + memory] = t.kept.empty() || t.kept[disk] ? Real(1) : Real(0);
    });
  }
  for (const StatisticInfo& s : store.statistic_infos()) {
    if (stays(s.name)) continue;
    const NamedWeights& t = *file.find(s.name);
    std::copy(t.values.begin(), t.values.end(), store.statistics().begin() + s.range.begin);
  }
  store.apply_mask();
  return notices;
}

}  // namespace espalier
