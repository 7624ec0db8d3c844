#include "pruning/choice/search.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace espalier {
namespace {

bool was_pruned(const SearchProblem& p, std::size_t q) { return p.state.pruned && (*p.state.pruned)[q]; }

/// F delta + g + damp delta: the objective's gradient.
std::vector<double> slope(const SearchProblem& p, std::span<const double> delta) {
  const GradientRows& rows = *p.state.rows;
  const Range all{0, rows.cols()};
  std::vector<double> projected(rows.rows()), v(delta.size());
  multiply_rows(rows, all, delta, projected);
  multiply_columns(rows, all, projected, v);
  const double n = std::max<double>(1, static_cast<double>(rows.rows()));
  for (std::size_t q = 0; q < v.size(); ++q)
    v[q] = v[q] / n + p.update.damp * delta[q] + (p.state.g.empty() ? 0 : p.state.g[q]);
  return v;
}

/// No layer below what it must keep?
bool allowed(const SearchProblem& p, const std::vector<bool>& removed) {
  std::vector<Index> kept(p.min_kept.size(), 0);
  for (std::size_t q = 0; q < removed.size(); ++q)
    if (!removed[q]) ++kept[p.layer_of[q]];
  for (std::size_t l = 0; l < kept.size(); ++l)
    if (kept[l] < p.min_kept[l]) return false;
  return true;
}

struct TopK final : SetSearch {
  void fields(Fields&) override {}
  bool searches() const override { return false; }
  SearchPoint improve(const SearchProblem&, SearchPoint start) const override { return start; }
};

/// Exchanges removed weights that are missed most for kept ones that matter least. Bringing q back gains at
/// least v_q^2 / (2 F_qq), v the objective's slope; letting p go costs beta_p^2 / (2 [(F_SS)^-1]_pp),
/// beta = w + delta.
struct Swaps final : SetSearch {
  int rounds = 10;
  double share = 0.1;
  void fields(Fields& f) override {
    f("rounds", rounds, "exchanges tried; each takes a joint update", {.low = 1});
    f("share", share, "largest part of the kept weights exchanged at once; halved when a try does not pay",
      {.low = 0, .high = 1, .low_open = true});
  }
  SearchPoint improve(const SearchProblem& p, SearchPoint best) const override {
    const std::size_t d = best.delta.size();
    std::vector<double> h_diagonal(d, 0.0);
    const GradientRows& rows = *p.state.rows;
    std::vector<double> panel;
    for (Index first = 0; first < rows.cols(); first += 512) {
      const Index width = std::min<Index>(512, rows.cols() - first);
      panel.resize(rows.rows() * width);
      rows.load({first, first + width}, panel.data());
      for (std::size_t k = 0; k < panel.size(); ++k)
        h_diagonal[static_cast<std::size_t>(first) + k % static_cast<std::size_t>(width)] +=
            panel[k] * panel[k];
    }
    for (double& h : h_diagonal)
      h = h / std::max<double>(1, static_cast<double>(rows.rows())) + p.update.damp;
    double portion = share;
    for (int round = 0; round < rounds && portion > 1e-5; ++round) {
      const std::vector<double> v = slope(p, best.delta);
      const MaskedRows kept(rows, best.removed);
      const auto inverse = p.update.inverse->build(kept, p.update.layers, p.update.damp);
      const std::span<const double> diagonal = inverse->diagonal();
      std::vector<bool> removed = best.removed;
      Index exchanged = 0;
      for (const Range range : p.ranges) {
        std::vector<std::pair<double, std::size_t>> gains, costs;
        for (auto q = static_cast<std::size_t>(range.begin); q < static_cast<std::size_t>(range.end); ++q) {
          const double beta = p.state.w[q] + best.delta[q];
          if (!removed[q])
            costs.emplace_back(beta * beta / (2 * diagonal[q]), q);
          else if (!was_pruned(p, q))
            gains.emplace_back(-v[q] * v[q] / (2 * h_diagonal[q]), q);
        }
        std::sort(gains.begin(), gains.end());
        std::sort(costs.begin(), costs.end());
        const auto most = static_cast<std::size_t>(std::ceil(portion * static_cast<double>(costs.size())));
        for (std::size_t k = 0; k < std::min({most, gains.size(), costs.size()}); ++k) {
          if (-gains[k].first <= costs[k].first) break;
          removed[gains[k].second] = false;
          removed[costs[k].second] = true;
          ++exchanged;
        }
      }
      if (exchanged == 0) break;
      if (!allowed(p, removed)) {
        portion /= 2;
        continue;
      }
      SearchPoint next = evaluate_set(p, std::move(removed));
      if (next.objective < best.objective)
        best = std::move(next);
      else
        portion /= 2;
    }
    return best;
  }
};

/// Gradient steps on the objective, each followed by keeping the largest |w + delta| (Blumensath & Davies
/// 2009; for pruning CHITA, Benbaki et al. 2023). Begins with all weights and lets the number kept shrink to
/// the target over the first half of the steps, since a set that the joint update has settled on is a fixed
/// point already.
struct HardThresholding final : SetSearch {
  int steps = 60;
  void fields(Fields& f) override {
    f("steps", steps, "gradient steps, two products with G each; then one joint update", {.low = 2});
  }
  /// Largest eigenvalue of F, by power iteration from a fixed start.
  static double largest_eigenvalue(const GradientRows& rows) {
    const Range all{0, rows.cols()};
    const auto n = static_cast<std::size_t>(rows.rows());
    std::vector<double> u(n), v(static_cast<std::size_t>(rows.cols()));
    for (std::size_t m = 0; m < n; ++m) u[m] = 1 + static_cast<double>(m % 7) / 7;
    double value = 0;
    for (int i = 0; i < 30; ++i) {
      double norm = 0;
      for (const double x : u) norm += x * x;
      norm = std::sqrt(norm);
      if (norm == 0) return 0;
      for (double& x : u) x /= norm;
      multiply_columns(rows, all, u, v);
      multiply_rows(rows, all, v, u);
      value = norm;
    }
    return value / std::max<double>(1, static_cast<double>(n));
  }
  SearchPoint improve(const SearchProblem& p, SearchPoint best) const override {
    const std::size_t d = best.delta.size();
    const double length = 1 / (1.1 * largest_eigenvalue(*p.state.rows) + p.update.damp);
    std::vector<double> delta(d, 0.0);
    for (std::size_t q = 0; q < d; ++q)
      if (was_pruned(p, q)) delta[q] = -p.state.w[q];
    std::vector<bool> removed(d, false);
    for (int i = 1; i <= steps; ++i) {
      const std::vector<double> v = slope(p, delta);
      const double t = std::min(1.0, 2.0 * i / steps);
      std::vector<double> beta(d);
      for (std::size_t q = 0; q < d; ++q)
        beta[q] = was_pruned(p, q) ? 0 : p.state.w[q] + delta[q] - length * v[q];
      removed.assign(d, false);
      for (const Range range : p.ranges) {
        const auto first = best.removed.begin() + range.begin, last = best.removed.begin() + range.end;
        const auto leaving = static_cast<std::size_t>(t * static_cast<double>(std::count(first, last, true)));
        std::vector<std::size_t> order(range.size());
        std::iota(order.begin(), order.end(), static_cast<std::size_t>(range.begin));
        std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
          const bool pa = was_pruned(p, a), pb = was_pruned(p, b);
          return pa != pb ? pa : std::abs(beta[a]) < std::abs(beta[b]);
        });
        for (std::size_t k = 0; k < leaving; ++k) removed[order[k]] = true;
      }
      for (std::size_t q = 0; q < d; ++q)
        delta[q] = (removed[q] || was_pruned(p, q) ? 0 : beta[q]) - p.state.w[q];
    }
    if (!allowed(p, removed)) return best;
    SearchPoint found = evaluate_set(p, std::move(removed));
    if (found.objective < best.objective) best = std::move(found);
    return best;
  }
};

const bool known =
    Registry<SetSearch>::add<TopK>("top_k", "the lowest scores, as they are") &&
    Registry<SetSearch>::add<Swaps>("swaps",
                                    "exchange weights while the model's loss after the joint update falls") &&
    Registry<SetSearch>::add<HardThresholding>("iht", "iterative hard thresholding, then the joint update");

}  // namespace

SearchPoint evaluate_set(const SearchProblem& p, std::vector<bool> removed) {
  SearchPoint point{.removed = std::move(removed), .delta = {}, .objective = 0};
  point.delta = compensate(p.state, point.removed, UpdateMode::joint, p.update);
  const std::vector<double> none(point.delta.size(), 0.0);
  const Prediction prediction =
      predict(*p.state.rows, p.state.g.empty() ? std::span<const double>(none) : p.state.g, point.delta,
              p.update.damp);
  point.objective = prediction.damped_change();
  return point;
}

}  // namespace espalier
