#include "pruning/choice/search.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "pruning/rows/vector_math.h"

namespace espalier {
namespace {

double number_of_rows(const QuadraticModel& m) {
  return std::max<double>(1, static_cast<double>(m.rows->rows()));
}

/// A set, its joint update and the objective there.
struct Point {
  std::vector<bool> removed;
  std::vector<double> delta;
  double objective = 0;

  Point(const QuadraticModel& m, std::vector<bool> set)
      : removed(std::move(set)), delta(compensate(m, {removed}, UpdateMode::joint)) {
    const std::vector<double> none(delta.size(), 0.0);
    objective = predict(*m.rows, m.g.empty() ? none : m.g, delta, m.damp).damped_change();
  }
};

/// F delta + g + damp delta: the objective's gradient.
std::vector<double> slope(const QuadraticModel& m, std::span<const double> delta) {
  const Range all{0, m.rows->cols()};
  std::vector<double> projected(m.rows->rows()), v(delta.size());
  multiply_rows(*m.rows, all, delta, projected);
  multiply_columns(*m.rows, all, projected, v);
  const double n = number_of_rows(m);
  for (std::size_t q = 0; q < v.size(); ++q) v[q] = v[q] / n + m.damp * delta[q] + (m.g.empty() ? 0 : m.g[q]);
  return v;
}

/// No layer below what it must keep?
bool allowed(const QuadraticModel& m, const std::vector<bool>& removed, const SelectionSettings& selection) {
  return std::all_of(m.layers.begin(), m.layers.end(), [&](Range layer) {
    return std::count(removed.begin() + layer.begin, removed.begin() + layer.end, false) >=
           selection.least_kept(layer);
  });
}

struct TopK final : SetSearch {
  void fields(Fields&) override {}
  bool searches() const override { return false; }
  Choice improve(const QuadraticModel&, Choice start, const SelectionSettings&) const override {
    return start;
  }
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
  Choice improve(const QuadraticModel& m, Choice start, const SelectionSettings& selection) const override {
    Point best(m, std::move(start.removed));
    std::vector<double> h_diagonal = column_squares(*m.rows, {0, m.rows->cols()});
    for (double& h : h_diagonal) h = h / number_of_rows(m) + m.damp;
    double portion = share;
    for (int round = 0; round < rounds && portion > 1e-5; ++round) {
      std::vector<bool> removed = best.removed;
      if (exchange(m, best, h_diagonal, portion, selection, removed) == 0) break;
      if (!allowed(m, removed, selection)) {
        portion /= 2;
        continue;
      }
      Point next(m, std::move(removed));
      if (next.objective < best.objective)
        best = std::move(next);
      else
        portion /= 2;
    }
    return {std::move(best.removed)};
  }

 private:
  /// Exchanges in `removed`, at most `portion` of the kept weights of each range; returns how many.
  static Index exchange(const QuadraticModel& m, const Point& at, const std::vector<double>& h_diagonal,
                        double portion, const SelectionSettings& selection, std::vector<bool>& removed) {
    const std::vector<double> v = slope(m, at.delta);
    const MaskedRows kept(*m.rows, at.removed);
    const auto inverse = m.kind->build(kept, m.layers, m.damp);
    const std::span<const double> diagonal = inverse->diagonal();
    Index exchanged = 0;
    for (const Range range : ranking_ranges(m.layers, selection.scope)) {
      std::vector<std::pair<double, Index>> gains, costs;
      for (Index q = range.begin; q < range.end; ++q) {
        const double beta = m.w[q] + at.delta[q];
        if (!removed[q])
          costs.emplace_back(beta * beta / (2 * diagonal[q]), q);
        else if (!m.was_pruned(q))
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
    return exchanged;
  }
};

/// Gradient steps on the objective, each followed by keeping the largest |w + delta|
/// (Blumensath & Davies 2009; for pruning CHITA, Benbaki et al. 2023). Begins with all
/// weights and lets the number kept shrink to the target over the first half of the
/// steps, since a set that the joint update has settled on is a fixed point already.
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
      value = norm(u);
      if (value == 0) return 0;
      for (double& x : u) x /= value;
      multiply_columns(rows, all, u, v);
      multiply_rows(rows, all, v, u);
    }
    return value / std::max<double>(1, static_cast<double>(n));
  }
  Choice improve(const QuadraticModel& m, Choice start, const SelectionSettings& selection) const override {
    const Point best(m, std::move(start.removed));
    const std::size_t d = best.delta.size();
    const double length = 1 / (1.1 * largest_eigenvalue(*m.rows) + m.damp);
    std::vector<double> delta(d, 0.0);
    for (std::size_t q = 0; q < d; ++q)
      if (m.was_pruned(q)) delta[q] = -m.w[q];
    std::vector<bool> removed(d, false);
    for (int i = 1; i <= steps; ++i) {
      const std::vector<double> v = slope(m, delta);
      std::vector<double> beta(d);
      for (std::size_t q = 0; q < d; ++q) beta[q] = m.was_pruned(q) ? 0 : m.w[q] + delta[q] - length * v[q];
      removed = smallest(m, beta, best.removed, std::min(1.0, 2.0 * i / steps), selection);
      for (std::size_t q = 0; q < d; ++q) delta[q] = (removed[q] || m.was_pruned(q) ? 0 : beta[q]) - m.w[q];
    }
    if (!allowed(m, removed, selection)) return {best.removed};
    Point found(m, std::move(removed));
    return {found.objective < best.objective ? std::move(found.removed) : best.removed};
  }

 private:
  /// Of each range, the smallest |beta|: `share` times as
  /// many as `like` has there, those pruned before first.
  static std::vector<bool> smallest(const QuadraticModel& m, const std::vector<double>& beta,
                                    const std::vector<bool>& like, double share,
                                    const SelectionSettings& selection) {
    std::vector<bool> removed(beta.size(), false);
    for (const Range range : ranking_ranges(m.layers, selection.scope)) {
      const auto count = std::count(like.begin() + range.begin, like.begin() + range.end, true);
      const auto leaving = static_cast<std::size_t>(share * static_cast<double>(count));
      std::vector<Index> order(range.size());
      std::iota(order.begin(), order.end(), range.begin);
      std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) {
        const bool pa = m.was_pruned(a), pb = m.was_pruned(b);
        return pa != pb ? pa : std::abs(beta[a]) < std::abs(beta[b]);
      });
      for (std::size_t k = 0; k < leaving; ++k) removed[order[k]] = true;
    }
    return removed;
  }
};

const bool search_known =
    Registry<SetSearch>::add<TopK>("top_k", "the lowest saliencies, as they are") &&
    Registry<SetSearch>::add<Swaps>("swaps",
                                    "exchange weights while the model's loss after the joint update falls") &&
    Registry<SetSearch>::add<HardThresholding>("iht", "iterative hard thresholding, then the joint update");

}  // namespace

double loss_without(const QuadraticModel& model, const std::vector<bool>& removed) {
  return Point(model, removed).objective;
}

}  // namespace espalier
