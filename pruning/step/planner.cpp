#include "pruning/step/planner.h"

#include <algorithm>

#include "pruning/choice/candidates.h"
#include "pruning/choice/flops.h"

namespace espalier {
double share(const std::vector<bool>& set) {
  return static_cast<double>(std::count(set.begin(), set.end(), true)) / static_cast<double>(set.size());
}

double Plan::sparsity() const { return share(removed); }

Planner::Planner(const PruneConfig& config, const QuadraticModel& data, std::span<const LayerView> layers,
                 double damp, MoveLoss held_out, InverseFamily* family)
    : config_(config), data_(data), layers_(layers), held_out_(std::move(held_out)), first_(data) {
  first_.damp = damp;
  first_.kind = config.inverse.settings.get();
  first_.step_damp = config.step_damp;
  first_.shorten_step = config.step_search != StepSearch::none;
  if (!config.criterion->uses_step()) first_.g.clear();  // taken as zero
  if (family) first_.built = family->at(damp);
  saliency_ = examine(first_);
}

/// Gives a model its gradient step, if the criterion has one, and returns the saliencies.
std::vector<double> Planner::examine(QuadraticModel& m) const {
  if (config_.criterion->uses_step()) {
    for (std::size_t q = 0; q < m.g.size(); ++q)
      if (m.pruned[q]) m.g[q] = 0;
    m.h = gradient_step(m);
    if (config_.step_search == StepSearch::held_out && held_out_) shorten_on_held_out(m);
  }
  std::vector<double> saliency(m.w.size());
  config_.criterion->saliency(m, saliency);
  return saliency;
}

/// The length that held-out examples like best, among none, halves and the model's own.
void Planner::shorten_on_held_out(QuadraticModel& m) const {
  std::vector<double> move(m.h.size());
  double best = 0, best_loss = 0;
  for (const double t : {0.0, 0.125, 0.25, 0.5, 1.0}) {
    for (std::size_t q = 0; q < move.size(); ++q) move[q] = m.w[q] - data_.w[q] - t * m.h[q];
    const double loss = held_out_(move);
    if (t == 0 || loss < best_loss) best_loss = loss, best = t;
  }
  for (double& h : m.h) h *= best;
}

Choice Planner::choose(const QuadraticModel& m, std::span<const double> saliency, double sparsity,
                       double exponent) const {
  if (config_.group->single()) {
    std::vector<double> weighed(saliency.begin(), saliency.end());
    weigh_by_flops(weighed, layers_, exponent);
    return {select(weighed, m.pruned, sparsity, layers_, config_.selection)};
  }
  std::vector<Candidate> candidates =
      group_candidates(m, *config_.criterion.settings, saliency, *config_.group.settings, layers_);
  weigh_by_flops(candidates, layers_, exponent);
  return select_groups(candidates, m.pruned, sparsity, layers_, config_.selection);
}

/// The smallest exponent that removes the target's share of
/// the multiply-adds; intermediate sparsities get their part.
double Planner::exponent_for_target(const QuadraticModel& m, std::span<const double> saliency,
                                    double sparsity) const {
  const double target = config_.flops_target * sparsity / config_.schedule->events().back().sparsity;
  double low = -4, high = 4;
  const auto removed = [&](double exponent) {
    return share_of_macs(choose(m, saliency, sparsity, exponent).removed, layers_);
  };
  if (const double most = removed(high); most < target)
    fail(ExitCode::pruning,
         "prune.flops_target: at sparsity {:.2f} % at most {:.2f} % of the multiply-adds can be "
         "removed, not {:.2f} %; raise final_sparsity or lower the target",
         100 * sparsity, 100 * most, 100 * target);
  for (int i = 0; i < 30; ++i) {  // the share removed grows with the exponent
    const double middle = (low + high) / 2;
    if (removed(middle) < target)
      low = middle;
    else
      high = middle;
  }
  return high;
}

/// One choice and move from where `model` is, added to the plan.
void Planner::decide(const QuadraticModel& m, std::span<const double> saliency, double sparsity,
                     Plan& plan) const {
  plan.flops_exponent =
      config_.flops_target > 0 ? exponent_for_target(m, saliency, sparsity) : config_.flops_exponent;
  Choice choice = choose(m, saliency, sparsity, plan.flops_exponent);
  if (config_.search->searches()) choice = config_.search->improve(m, std::move(choice), config_.selection);
  const std::vector<double> delta = compensate(m, choice, config_.move_of_survivors());
  for (std::size_t q = 0; q < delta.size(); ++q)
    plan.delta[q] = choice.removed[q] ? -data_.w[q] : plan.delta[q] + delta[q];
  plan.removed = std::move(choice.removed);
}

/// The same quadratic model, seen from where the plan has led so far: w += delta, g += F delta. `rows` are
/// those of the weights that are left.
QuadraticModel Planner::after(const Plan& so_far, const GradientRows* rows) const {
  QuadraticModel m = first_;
  m.rows = rows;
  m.built.reset();
  m.pruned = so_far.removed;
  for (std::size_t q = 0; q < m.w.size(); ++q) m.w[q] = so_far.removed[q] ? 0 : m.w[q] + so_far.delta[q];
  if (m.g.empty()) return m;
  const Range all{0, data_.rows->cols()};
  std::vector<double> projected(data_.rows->rows()), moved(m.w.size());
  multiply_rows(*data_.rows, all, so_far.delta, projected);
  multiply_columns(*data_.rows, all, projected, moved);
  for (std::size_t q = 0; q < m.g.size(); ++q) m.g[q] += moved[q] / static_cast<double>(data_.rows->rows());
  return m;
}

void Planner::predict_into(Plan& plan) const {
  if (!data_.rows) return;
  plan.has_prediction = true;
  plan.prediction = predict(*data_.rows, data_.g, plan.delta, first_.damp);
  for (const Range layer : first_.layers)
    plan.by_layer.push_back(predict_range(*data_.rows, data_.g, plan.delta, first_.damp, layer));
}

Plan Planner::plan(double sparsity) const {
  Plan plan{.removed = data_.pruned, .delta = std::vector<double>(data_.w.size(), 0.0)};
  const std::vector<double> levels =
      sub_levels(plan.sparsity(), sparsity, config_.num_stages, config_.recomputation_levels);
  decide(first_, saliency_, levels[0], plan);
  for (std::size_t i = 1; i < levels.size(); ++i) {
    std::optional<MaskedRows> left;  // what left in an earlier stage is no part of F any more
    if (data_.rows) left.emplace(*data_.rows, plan.removed);
    QuadraticModel model = after(plan, left ? &*left : nullptr);
    const std::vector<double> saliency = examine(model);
    decide(model, saliency, levels[i], plan);
  }
  predict_into(plan);
  return plan;
}

}  // namespace espalier
