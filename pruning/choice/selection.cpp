#include "pruning/choice/selection.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "framework/config/suggest.h"
#include "framework/core/check.h"
#include "framework/kernels/gemm.h"

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
    return pruned[q] ? -std::numeric_limits<double>::infinity() : scores[q];
  };
  std::sort(order.begin(), order.end(),
            [&](Index a, Index b) { return score(a) != score(b) ? score(a) < score(b) : a < b; });
  if (rule == MaskRule::exact) {
    const auto count = static_cast<Index>(std::llround(sparsity * n));
    for (Index i = 0; i < count; ++i) removed[order[i]] = true;
    return;
  }
  const auto kept = static_cast<Index>(std::ceil(n * (1 - sparsity)));
  if (kept >= range.size()) return;
  const double threshold =
      kept > 0 ? score(order[range.size() - kept]) : std::numeric_limits<double>::infinity();
  for (const Index q : order)
    if (score(q) <= threshold) removed[q] = true;
}

void require_kept(const std::vector<bool>& removed, Range layer, const std::string& name, double sparsity,
                  int min_kept) {
  const auto kept = std::count(removed.begin() + layer.begin, removed.begin() + layer.end, false);
  if (kept < std::min<Index>(min_kept, layer.size()))
    fail(ExitCode::pruning,
         "pruning to {:.2f} % would leave layer {} with {} of {} weights (prune.min_kept_per_layer "
         "is {}): the network would be cut through. Prune less or in more steps "
         "(prune.num_recomputations), use \"scope\": \"layerwise\", or exclude the layer",
         100 * sparsity, name, kept, layer.size(), min_kept);
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

std::vector<bool> select(std::span<const double> scores, const std::vector<bool>& pruned, double sparsity,
                         std::span<const Range> layers, std::span<const std::string> names,
                         const SelectionSettings& settings) {
  for (std::size_t q = 0; q < scores.size(); ++q)
    if (!std::isfinite(scores[q]) && !pruned[q])
      fail(ExitCode::numeric,
           "pruning: the score of weight {} is not finite ({}); raise prune.damp or check the gradients", q,
           scores[q]);
  std::vector<bool> removed = pruned;
  for (const Range range : ranking_ranges(layers, settings.scope))
    select_in(scores, pruned, sparsity, range, settings.rule, removed);
  for (std::size_t l = 0; l < layers.size(); ++l)
    require_kept(removed, layers[l], names[l], sparsity, settings.min_kept_per_layer);
  return removed;
}

std::vector<Range> ranking_ranges(std::span<const Range> layers, Ranking scope) {
  if (scope == Ranking::layerwise || layers.empty()) return {layers.begin(), layers.end()};
  return {{layers.front().begin, layers.back().end}};
}

void weigh_by_flops(std::span<double> scores, std::span<const LayerView> layers, double exponent) {
  if (exponent == 0) return;
  for (const LayerView& layer : layers) {
    const double divisor = std::pow(std::max(layer.macs_per_weight, 1.0), exponent);
    for (Index q = layer.columns.begin; q < layer.columns.end; ++q) scores[q] /= divisor;
  }
}

namespace {

/// 1/2 r' M^-1 r and M^-1 r for a positive definite M, [k, k].
double quadratic_form(std::vector<double> m, std::vector<double> r, std::vector<double>* solution) {
  const auto k = static_cast<Index>(r.size());
  if (kernels::cholesky(k, m.data(), k) != 0) return std::numeric_limits<double>::infinity();
  kernels::triangular_solve(kernels::Transpose::no, k, 1, m.data(), k, r.data(), 1);
  double sum = 0;
  for (const double v : r) sum += v * v;
  if (solution) {
    kernels::triangular_solve(kernels::Transpose::yes, k, 1, m.data(), k, r.data(), 1);
    *solution = std::move(r);
  }
  return sum / 2;
}

/// Calls fn with every choice of `k` of n positions, in lexicographic order.
template <class Fn>
void for_choices(std::size_t n, std::size_t k, Fn fn) {
  std::vector<std::size_t> at(k);
  for (std::size_t i = 0; i < k; ++i) at[i] = i;
  while (true) {
    fn(at);
    std::size_t i = k;
    while (i > 0 && at[i - 1] == n - k + i - 1) --i;
    if (i == 0) return;
    ++at[i - 1];
    for (; i < k; ++i) at[i] = at[i - 1] + 1;
  }
}

}  // namespace

std::vector<Candidate> group_candidates(const PruneState& state, const Criterion& criterion,
                                        std::span<const double> scores, const GroupSettings& groups,
                                        std::span<const LayerView> layers, const std::vector<bool>& pruned) {
  std::vector<std::vector<Index>> alive;
  std::vector<std::size_t> leaving;
  for (const LayerView& layer : layers)
    for (const std::vector<Index>& set : groups.sets(layer)) {
      std::vector<Index> left;
      for (const Index q : set)
        if (!pruned[q]) left.push_back(q);
      const auto size = static_cast<Index>(set.size());
      const Index due = groups.leaving(size) - (size - static_cast<Index>(left.size()));
      if (due <= 0) continue;
      leaving.push_back(static_cast<std::size_t>(due));
      alive.push_back(std::move(left));
    }
  std::vector<Candidate> candidates(alive.size());
  // The best choice of those due from a set, given what a choice costs.
  const auto choose = [&](std::size_t i, const auto& cost_of) {
    const std::vector<Index>& set = alive[i];
    Candidate& best = candidates[i];
    best.cost = std::numeric_limits<double>::infinity();
    for_choices(set.size(), leaving[i], [&](const std::vector<std::size_t>& at) {
      Candidate c;
      for (const std::size_t k : at) c.members.push_back(set[k]);
      c.cost = cost_of(at, c);
      if (c.cost < best.cost || best.members.empty()) best = std::move(c);
    });
  };
  if (!criterion.needs_inverse()) {
    for (std::size_t i = 0; i < alive.size(); ++i)
      choose(i, [&](const std::vector<std::size_t>&, const Candidate& c) {
        double sum = 0;
        for (const Index q : c.members) sum += scores[q];
        return sum;
      });
    return candidates;
  }
  state.inverse->submatrices(alive, [&](std::size_t i, std::span<const double> inverse) {
    const std::size_t n = alive[i].size();
    choose(i, [&](const std::vector<std::size_t>& at, Candidate& c) {
      std::vector<double> m, r;
      for (const std::size_t p : at) {
        const auto column = static_cast<std::size_t>(alive[i][p]);
        r.push_back(state.w[column] - (state.step.empty() ? 0 : state.step[column]));
        for (const std::size_t q : at) m.push_back(inverse[p * n + q]);
      }
      return quadratic_form(std::move(m), std::move(r), &c.multipliers);
    });
  });
  return candidates;
}

GroupChoice select_groups(std::span<const Candidate> candidates, const std::vector<bool>& pruned,
                          double sparsity, std::span<const LayerView> layers,
                          const SelectionSettings& settings) {
  GroupChoice choice{.removed = pruned, .multipliers = {}};
  const bool with_multipliers = std::any_of(candidates.begin(), candidates.end(),
                                            [](const Candidate& c) { return !c.multipliers.empty(); });
  if (with_multipliers) choice.multipliers.assign(pruned.size(), 0.0);
  std::vector<Range> columns;
  for (const LayerView& layer : layers) columns.push_back(layer.columns);
  for (const Range range : ranking_ranges(columns, settings.scope)) {
    std::vector<const Candidate*> order;
    for (const Candidate& c : candidates) {
      if (c.members.front() < range.begin || c.members.front() >= range.end) continue;
      if (!std::isfinite(c.cost))
        fail(ExitCode::numeric,
             "pruning: the cost of the set that begins with weight {} "
             "is not finite; raise prune.damp or check the gradients",
             c.members.front());
      order.push_back(&c);
    }
    const auto per_weight = [](const Candidate* c) {
      return c->cost / static_cast<double>(c->members.size());
    };
    std::stable_sort(order.begin(), order.end(),
                     [&](const Candidate* a, const Candidate* b) { return per_weight(a) < per_weight(b); });
    auto count =
        static_cast<double>(std::count(pruned.begin() + range.begin, pruned.begin() + range.end, true));
    const double target = std::round(sparsity * static_cast<double>(range.size()));
    for (const Candidate* c : order) {
      const auto size = static_cast<double>(c->members.size());
      if (count + size / 2 >= target) continue;  // a smaller set may still fit
      count += size;
      for (std::size_t k = 0; k < c->members.size(); ++k) {
        const auto q = static_cast<std::size_t>(c->members[k]);
        choice.removed[q] = true;
        if (with_multipliers) choice.multipliers[q] = c->multipliers[k];
      }
    }
  }
  for (const LayerView& layer : layers) {
    require_kept(choice.removed, layer.columns, layer.name, sparsity, settings.min_kept_per_layer);
    if (const std::vector<Index> lost = classes_without_weights(choice.removed, layer);
        !lost.empty() && settings.min_kept_per_layer > 0)
      fail(
          ExitCode::pruning,
          "pruning to {:.2f} % would leave {} of {} classes without any weight in layer {} (outputs {}): the "
          "network could not tell them any more. Prune less, or exclude the layer (prune.exclude)",
          100 * sparsity, lost.size(), layer.shape[0], layer.name, fmt::join(lost, ", "));
  }
  return choice;
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
