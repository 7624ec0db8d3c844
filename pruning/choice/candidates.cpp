#include "pruning/choice/candidates.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "framework/core/check.h"
#include "framework/kernels/gemm.h"

namespace espalier {
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

std::vector<Candidate> group_candidates(const QuadraticModel& model, const Criterion& criterion,
                                        std::span<const double> saliency, const GroupSettings& groups,
                                        std::span<const LayerView> layers) {
  std::vector<std::vector<Index>> alive;
  std::vector<std::size_t> leaving;
  for (const LayerView& layer : layers)
    for (const std::vector<Index>& set : groups.sets(layer)) {
      std::vector<Index> left;
      for (const Index q : set)
        if (!model.was_pruned(q)) left.push_back(q);
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
        for (const Index q : c.members) sum += saliency[q];
        return sum;
      });
    return candidates;
  }
  model.inverse().submatrices(alive, [&](std::size_t i, std::span<const double> inverse) {
    const std::size_t n = alive[i].size();
    choose(i, [&](const std::vector<std::size_t>& at, Candidate& c) {
      std::vector<double> m, r;
      for (const std::size_t p : at) {
        r.push_back(model.rest(alive[i][p]));
        for (const std::size_t q : at) m.push_back(inverse[p * n + q]);
      }
      return quadratic_form(std::move(m), std::move(r), &c.multipliers);
    });
  });
  return candidates;
}

Choice select_groups(std::span<const Candidate> candidates, const std::vector<bool>& pruned, double sparsity,
                     std::span<const LayerView> layers, const SelectionSettings& settings) {
  Choice choice{.removed = pruned};
  const bool with_multipliers = std::any_of(candidates.begin(), candidates.end(),
                                            [](const Candidate& c) { return !c.multipliers.empty(); });
  if (with_multipliers) choice.multipliers.assign(pruned.size(), 0.0);
  for (const Range range : ranking_ranges(columns_of(layers), settings.scope)) {
    std::vector<const Candidate*> order;
    for (const Candidate& c : candidates) {
      if (c.members.front() < range.begin || c.members.front() >= range.end) continue;
      if (!std::isfinite(c.cost))
        fail(ExitCode::numeric,
             "pruning: the cost of the set that begins with weight {} is not finite; raise prune.damp or "
             "check the gradients",
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
  require_kept(choice.removed, layers, sparsity, settings);
  for (const LayerView& layer : layers)
    if (const std::vector<Index> lost = classes_without_weights(choice.removed, layer);
        !lost.empty() && settings.min_kept_per_layer > 0)
      fail(ExitCode::pruning,
           "pruning to {:.2f} % would leave {} of {} classes without any weight in layer {} (outputs {}): the "
           "network could not tell them any more. Prune less, or exclude the layer (prune.exclude)",
           100 * sparsity, lost.size(), layer.shape[0], layer.name, fmt::join(lost, ", "));
  return choice;
}

}  // namespace espalier
