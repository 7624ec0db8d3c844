#include "pruning/step/planner.h"

#include <algorithm>
#include <cmath>

namespace espalier {
namespace {

double norm(std::span<const double> v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return std::sqrt(sum);
}

}  // namespace

Planner::Planner(const PruneConfig& config, const PruneProblem& problem, double damp, InverseFamily* family)
    : config_(config), problem_(problem), damp_(damp) {
  for (const LayerView& layer : problem.layers) {
    columns_.push_back(layer.columns);
    names_.push_back(layer.name);
  }
  blocks_ = config.inverse->partition(columns_);
  first_.w.assign(problem.w.begin(), problem.w.end());
  first_.g.assign(problem.g.begin(), problem.g.end());
  first_.pruned = problem.pruned;
  prepare(first_, family);
}

UpdateSettings Planner::update_settings(const Stage& stage) const {
  return {.inverse = config_.inverse.settings.get(),
          .layers = columns_,
          .damp = damp_,
          .step_damp = config_.step_damp,
          .step_limit = config_.step_limit * norm(stage.w),
          .step_search = config_.step_search != StepSearch::none};
}

void Planner::prepare(Stage& s, InverseFamily* family) const {
  s.state = {.w = s.w, .blocks = blocks_, .pruned = &s.pruned};
  const GradientRows* rows = problem_.rows;
  if (rows && &s != &first_) {  // what left in an earlier stage is no part of F any more
    s.masked = std::make_unique<MaskedRows>(*rows, s.pruned);
    rows = s.masked.get();
  }
  s.state.rows = rows;
  if (config_.needs_inverse())
    s.inverse = family ? family->at(damp_) : config_.inverse->build(*rows, columns_, damp_);
  s.state.inverse = s.inverse.get();
  if (config_.criterion->uses_step()) {
    for (std::size_t q = 0; q < s.g.size(); ++q)
      if (s.pruned[q]) s.g[q] = 0;
    s.state.g = s.g;
    s.step = gradient_step(*rows, s.g, update_settings(s), {}, *rows);
    if (config_.step_search == StepSearch::held_out && problem_.held_out) {
      // The length that held-out examples like best, among none, halves and the model's own.
      std::vector<double> move(s.step.size());
      double best = 0, best_loss = 0;
      for (const double t : {0.0, 0.125, 0.25, 0.5, 1.0}) {
        for (std::size_t q = 0; q < move.size(); ++q) move[q] = s.w[q] - problem_.w[q] - t * s.step[q];
        const double loss = problem_.held_out(move);
        if (t == 0 || loss < best_loss) best_loss = loss, best = t;
      }
      for (double& h : s.step) h *= best;
    }
    s.state.step = s.step;
  }
  s.scores.resize(s.w.size());
  config_.criterion->score(s.state, s.scores);
}

std::vector<bool> Planner::choose(const Stage& stage, double sparsity, double exponent,
                                  std::vector<double>& multipliers) const {
  if (config_.group->single()) {
    std::vector<double> scores = stage.scores;
    weigh_by_flops(scores, problem_.layers, exponent);
    return select(scores, stage.pruned, sparsity, columns_, names_, config_.selection);
  }
  std::vector<Candidate> candidates =
      group_candidates(stage.state, *config_.criterion.settings, stage.scores, *config_.group.settings,
                       problem_.layers, stage.pruned);
  if (exponent != 0)
    for (Candidate& c : candidates)
      for (const LayerView& layer : problem_.layers)
        if (c.members.front() >= layer.columns.begin && c.members.front() < layer.columns.end)
          c.cost /= std::pow(std::max(1.0, layer.macs_per_weight), exponent);
  GroupChoice choice = select_groups(candidates, stage.pruned, sparsity, problem_.layers, config_.selection);
  multipliers = std::move(choice.multipliers);
  return std::move(choice.removed);
}

double Planner::macs_removed(const std::vector<bool>& removed) const {
  double gone = 0, all = 0;
  for (const LayerView& layer : problem_.layers) {
    const auto count =
        std::count(removed.begin() + layer.columns.begin, removed.begin() + layer.columns.end, true);
    gone += layer.macs_per_weight * static_cast<double>(count);
    all += layer.macs_per_weight * static_cast<double>(layer.columns.size());
  }
  return gone / all;
}

double Planner::decide(const Stage& stage, double sparsity, std::vector<bool>& removed,
                       std::vector<double>& delta) const {
  std::vector<double> multipliers;
  double exponent = config_.flops_exponent;
  if (config_.flops_target > 0) {
    // The share removed grows with the exponent; intermediate sparsities get their part of the target.
    const double target = config_.flops_target * sparsity / config_.schedule->events().back().sparsity;
    double low = -4, high = 4;
    const auto share = [&](double e) { return macs_removed(choose(stage, sparsity, e, multipliers)); };
    if (const double most = share(high); most < target)
      fail(ExitCode::pruning,
           "prune.flops_target: at sparsity {:.2f} % at most {:.2f} % of the multiply-adds can be removed, "
           "not {:.2f} "
           "%; raise final_sparsity or lower the target",
           100 * sparsity, 100 * most, 100 * target);
    for (int i = 0; i < 30; ++i) (share((low + high) / 2) < target ? low : high) = (low + high) / 2;
    exponent = high;
  }
  removed = choose(stage, sparsity, exponent, multipliers);
  UpdateSettings settings = update_settings(stage);
  if (config_.search->searches()) {
    std::vector<int> layer_of(stage.w.size());
    std::vector<Index> min_kept;
    for (std::size_t l = 0; l < columns_.size(); ++l) {
      std::fill(layer_of.begin() + columns_[l].begin, layer_of.begin() + columns_[l].end,
                static_cast<int>(l));
      min_kept.push_back(std::min<Index>(config_.selection.min_kept_per_layer, columns_[l].size()));
    }
    const std::vector<Range> ranges = ranking_ranges(columns_, config_.selection.scope);
    const SearchProblem problem{stage.state, settings, ranges, layer_of, min_kept};
    removed = config_.search->improve(problem, evaluate_set(problem, removed)).removed;
  }
  delta = compensate(stage.state, removed, config_.update, settings, multipliers);
  return exponent;
}

Plan Planner::plan(double sparsity) const {
  Plan plan;
  plan.removed = problem_.pruned;
  plan.delta.assign(problem_.w.size(), 0.0);
  const auto now = static_cast<double>(std::count(plan.removed.begin(), plan.removed.end(), true)) /
                   static_cast<double>(plan.removed.size());
  const std::vector<double> levels =
      sub_levels(now, sparsity, config_.num_stages, config_.recomputation_levels);
  for (std::size_t i = 0; i < levels.size(); ++i) {
    std::vector<double> delta;
    if (i == 0) {
      plan.flops_exponent = decide(first_, levels[i], plan.removed, delta);
    } else {
      Stage stage;  // the same quadratic model, seen from where the stages before have led
      stage.pruned = plan.removed;
      stage.w = first_.w;
      for (std::size_t q = 0; q < stage.w.size(); ++q)
        stage.w[q] = plan.removed[q] ? 0 : stage.w[q] + plan.delta[q];
      stage.g = first_.g;
      if (problem_.rows) {
        const Range all{0, problem_.rows->cols()};
        std::vector<double> projected(problem_.rows->rows()), moved(stage.w.size());
        multiply_rows(*problem_.rows, all, plan.delta, projected);
        multiply_columns(*problem_.rows, all, projected, moved);
        for (std::size_t q = 0; q < stage.g.size(); ++q)
          stage.g[q] += moved[q] / static_cast<double>(problem_.rows->rows());
      }
      prepare(stage, nullptr);
      plan.flops_exponent = decide(stage, levels[i], plan.removed, delta);
    }
    for (std::size_t q = 0; q < delta.size(); ++q)
      plan.delta[q] = plan.removed[q] ? -first_.w[q] : plan.delta[q] + delta[q];
  }
  if (problem_.rows) {
    plan.has_prediction = true;
    plan.prediction = predict(*problem_.rows, problem_.g, plan.delta, damp_);
    for (const Range layer : columns_)
      plan.by_layer.push_back(predict_range(*problem_.rows, problem_.g, plan.delta, damp_, layer));
  }
  return plan;
}

}  // namespace espalier
