#include "pruning/choice/reach.h"

#include <algorithm>
#include <cmath>

namespace espalier {
namespace {

Index count(const std::vector<bool>& pruned, Range range) {
  return std::count(pruned.begin() + range.begin, pruned.begin() + range.end, true);
}

std::string percent(double share) { return fmt::format("{:.2f} %", 100 * share); }

}  // namespace

Index most_removed(const LayerView& layer, const GroupSettings& groups, const std::vector<bool>& pruned,
                   int min_kept) {
  const Index size = layer.columns.size(), kept = std::min<Index>(min_kept, size);
  const Index gone = count(pruned, layer.columns);
  if (groups.single()) return std::max(gone, size - kept);
  Index removed = 0;
  std::vector<Index> whole;  // weights that a set still has, of sets that leave as a whole
  const auto sets = groups.sets(layer);
  const Index row = size / layer.shape[0];
  for (const std::vector<Index>& set : sets) {
    const auto members = static_cast<Index>(set.size());
    const Index before =
        std::count_if(set.begin(), set.end(), [&](Index q) { return pruned[static_cast<std::size_t>(q)]; });
    const Index leaving = std::max(groups.leaving(members), before);
    removed += leaving;
    if (leaving == members && before < members) whole.push_back(members - before);
  }
  // Whole sets stay until there are enough weights, the smallest first; each class needs one that it has a share
  // of, which only groups of whole rows keep from another.
  std::sort(whole.begin(), whole.end());
  const bool rows_leave = layer.outputs_are_classes && min_kept > 0 && !sets.empty() &&
                          static_cast<Index>(sets.front().size()) == row &&
                          sets.front().back() - sets.front().front() == row - 1;
  for (const Index members : whole)
    if (rows_leave || size - removed < kept) removed -= members;
  return std::max(gone, removed);
}

std::vector<std::string> out_of_reach(double sparsity, std::span<const LayerView> layers,
                                      const GroupSettings& groups, const std::vector<bool>& pruned,
                                      const SelectionSettings& settings) {
  std::vector<std::string> problems;
  const auto check = [&](std::span<const LayerView> ranked, const std::string& name) {
    Index size = 0, most = 0, largest = 0;
    for (const LayerView& layer : ranked) {
      size += layer.columns.size();
      most += most_removed(layer, groups, pruned, settings.min_kept_per_layer);
      if (groups.single()) continue;
      for (const std::vector<Index>& set : groups.sets(layer))
        largest = std::max(largest, static_cast<Index>(set.size()));
    }
    const double target = std::round(sparsity * static_cast<double>(size));
    const double missing = target - static_cast<double>(most);
    if (missing <= 0 || missing < static_cast<double>(largest) / 2) return;
    problems.push_back(fmt::format("of {} at most {} can be removed ({} of {} weights), not {}", name,
                                   percent(static_cast<double>(most) / static_cast<double>(size)), most, size,
                                   percent(sparsity)));
  };
  if (settings.scope == Ranking::layerwise)
    for (const LayerView& layer : layers) check({&layer, 1}, layer.name);
  else
    check(layers, layers.size() == 1 ? layers.front().name : fmt::format("the {} layers", layers.size()));
  return problems;
}

}  // namespace espalier
