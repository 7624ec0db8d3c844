#include "pruning/choice/selection.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "framework/core/check.h"

namespace espalier {
namespace {

/// Marks the weights of `range` to be removed so that `sparsity` of them are.
void select_in(std::span<const double> saliency, const std::vector<bool>& pruned, double sparsity,
               Range range, MaskRule rule, std::vector<bool>& removed) {
  std::vector<Index> order;
  for (Index q = range.begin; q < range.end; ++q) order.push_back(q);
  const auto n = static_cast<double>(range.size());
  // What is pruned already stays so, whatever its saliency.
  const auto rank = [&](Index q) {
    return pruned[q] ? -std::numeric_limits<double>::infinity() : saliency[q];
  };
  std::sort(order.begin(), order.end(),
            [&](Index a, Index b) { return rank(a) != rank(b) ? rank(a) < rank(b) : a < b; });
  if (rule == MaskRule::exact) {
    const auto count = static_cast<Index>(std::llround(sparsity * n));
    for (Index i = 0; i < count; ++i) removed[order[i]] = true;
    return;
  }
  const auto kept = static_cast<Index>(std::ceil(n * (1 - sparsity)));
  if (kept >= range.size()) return;
  const double threshold =
      kept > 0 ? rank(order[range.size() - kept]) : std::numeric_limits<double>::infinity();
  for (const Index q : order)
    if (rank(q) <= threshold) removed[q] = true;
}

}  // namespace

std::vector<Index> classes_without_weights(const std::vector<bool>& removed, const LayerView& layer) {
  std::vector<Index> lost;
  if (!layer.outputs_are_classes) return lost;
  const Index row = layer.columns.size() / layer.shape[0];
  for (Index k = 0; k < layer.shape[0]; ++k) {
    const auto begin = removed.begin() + layer.columns.begin + k * row;
    if (std::find(begin, begin + row, false) == begin + row) lost.push_back(k);
  }
  return lost;
}

std::vector<bool> select(std::span<const double> saliency, const std::vector<bool>& pruned, double sparsity,
                         std::span<const LayerView> layers, const SelectionSettings& settings) {
  for (std::size_t q = 0; q < saliency.size(); ++q)
    if (!std::isfinite(saliency[q]) && !pruned[q])
      fail(ExitCode::numeric,
           "pruning: the saliency of weight {} is not finite ({}); raise prune.damp or check the gradients",
           q, saliency[q]);
  std::vector<bool> removed = pruned;
  for (const Range range : ranking_ranges(columns_of(layers), settings.scope))
    select_in(saliency, pruned, sparsity, range, settings.rule, removed);
  require_kept(removed, layers, sparsity, settings);
  return removed;
}

void require_kept(const std::vector<bool>& removed, std::span<const LayerView> layers, double sparsity,
                  const SelectionSettings& settings) {
  for (const LayerView& layer : layers) {
    const Range c = layer.columns;
    const auto kept = std::count(removed.begin() + c.begin, removed.begin() + c.end, false);
    if (kept < settings.least_kept(c))
      fail(ExitCode::pruning,
           "pruning to {:.2f} % would leave layer {} with {} of {} weights (prune.min_kept_per_layer is {}): "
           "the network would be cut through. Prune less or in more steps (prune.num_recomputations), use "
           "\"scope\": \"layerwise\", or exclude the layer",
           100 * sparsity, layer.name, kept, c.size(), settings.min_kept_per_layer);
  }
}

std::vector<Range> ranking_ranges(std::span<const Range> layers, Ranking scope) {
  if (scope == Ranking::layerwise || layers.empty()) return {layers.begin(), layers.end()};
  return {{layers.front().begin, layers.back().end}};
}

}  // namespace espalier
