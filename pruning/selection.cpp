#include "pruning/selection.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "framework/config/suggest.h"
#include "framework/core/check.h"

namespace espalier {
namespace {

/// Marks the weights of `range` to be removed so that `sparsity` of them are.
void select_in(std::span<const double> scores, const std::vector<bool>& pruned, double sparsity, Range range,
               MaskRule rule, std::vector<bool>& removed) {
  std::vector<Index> order;
  for (Index q = range.begin; q < range.end; ++q) order.push_back(q);
  const auto n = static_cast<double>(range.size());
  // What is pruned already stays so, whatever its score.
  const auto score = [&](Index q) {
    return pruned[static_cast<std::size_t>(q)] ? -std::numeric_limits<double>::infinity()
                                               : scores[static_cast<std::size_t>(q)];
  };
  std::sort(order.begin(), order.end(),
            [&](Index a, Index b) { return score(a) != score(b) ? score(a) < score(b) : a < b; });
  if (rule == MaskRule::exact) {
    const auto count = static_cast<Index>(std::llround(sparsity * n));
    for (Index i = 0; i < count; ++i)
      removed[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])] = true;
    return;
  }
  const auto kept = static_cast<Index>(std::ceil(n * (1 - sparsity)));
  if (kept >= range.size()) return;
  const double threshold = kept > 0 ? score(order[static_cast<std::size_t>(range.size() - kept)])
                                    : std::numeric_limits<double>::infinity();
  for (const Index q : order)
    if (score(q) <= threshold) removed[static_cast<std::size_t>(q)] = true;
}

bool matches(std::string_view name, std::string_view pattern) {
  if (pattern.empty()) return name.empty();
  if (pattern[0] == '*') {
    for (std::size_t skip = 0; skip <= name.size(); ++skip)
      if (matches(name.substr(skip), pattern.substr(1))) return true;
    return false;
  }
  return !name.empty() && (pattern[0] == '?' || pattern[0] == name[0]) &&
         matches(name.substr(1), pattern.substr(1));
}

}  // namespace

std::vector<bool> select(std::span<const double> scores, const std::vector<bool>& pruned, double sparsity,
                         std::span<const Range> layers, std::span<const std::string> names,
                         const SelectionSettings& settings) {
  for (std::size_t q = 0; q < scores.size(); ++q)
    if (!std::isfinite(scores[q]) && !pruned[q])
      fail(ExitCode::numeric,
           "pruning: the score of weight {} is not finite ({}); raise prune.damp or check the gradients", q,
           scores[q]);
  std::vector<bool> removed = pruned;
  if (settings.scope == Ranking::global && !layers.empty())
    select_in(scores, pruned, sparsity, {layers.front().begin, layers.back().end}, settings.rule, removed);
  else
    for (const Range layer : layers) select_in(scores, pruned, sparsity, layer, settings.rule, removed);
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const auto kept = std::count(removed.begin() + layers[l].begin, removed.begin() + layers[l].end, false);
    if (kept < std::min<Index>(settings.min_kept_per_layer, layers[l].size()))
      fail(ExitCode::pruning,
           "pruning to {:.2f} % would leave layer {} with {} of {} weights (prune.min_kept_per_layer is {}): "
           "the network would be cut "
           "through. Prune less or in more steps (prune.num_recomputations), use \"scope\": \"layerwise\", "
           "or exclude the layer",
           100 * sparsity, names[l], kept, layers[l].size(), settings.min_kept_per_layer);
  }
  return removed;
}

std::vector<std::size_t> match_names(const std::vector<std::string>& names,
                                     const std::vector<std::string>& include,
                                     const std::vector<std::string>& exclude) {
  const auto check = [&](const char* key, const std::vector<std::string>& patterns) {
    for (const std::string& p : patterns)
      if (std::none_of(names.begin(), names.end(), [&](const std::string& n) { return matches(n, p); }))
        fail(ExitCode::config, "prune.{}: \"{}\" matches no layer{} (the model has {})", key, p,
             did_you_mean(p, names), fmt::join(names, ", "));
  };
  check("include", include);
  check("exclude", exclude);
  const auto any = [](const std::vector<std::string>& patterns, const std::string& name) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](const std::string& p) { return matches(name, p); });
  };
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0; i < names.size(); ++i)
    if ((include.empty() || any(include, names[i])) && !any(exclude, names[i])) chosen.push_back(i);
  return chosen;
}

}  // namespace espalier
