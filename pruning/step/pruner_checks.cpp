// pruner_checks.cpp: what the pruner refuses before a run begins, and what it says of a step that came to another
// sparsity than it was asked for.
#include <algorithm>
#include <cmath>

#include "pruning/choice/reach.h"
#include "pruning/rows/row_products.h"
#include "pruning/step/examples.h"
#include "pruning/step/pruner.h"
#include "pruning/step/rows.h"

namespace espalier {

/// What settings and layers contradict each other in, all of it at once.
void Pruner::check_layers() const {
  std::vector<std::string> problems;
  for (const LayerView& view : layers_.views) {
    const Index kept = config_.selection.min_kept_per_layer;
    if (kept > 1 && kept >= view.columns.size())
      problems.push_back(fmt::format(
          "prune.min_kept_per_layer is {}, and layer {} has {} weights: nothing of it could be pruned; "
          "exclude it (prune.exclude) or keep fewer",
          kept, view.name, view.columns.size()));
    try {
      if (!config_.group->single()) (void)config_.group->sets(view);
    } catch (const Error& e) {
      if (e.code() != ExitCode::config) throw;
      problems.emplace_back(e.what());
    }
  }
  if (!problems.empty()) fail(ExitCode::config, "{}", fmt::join(problems, "\n"));
}

void Pruner::check_reach(double sparsity, const ParameterStore& store) const {
  const std::vector<bool> pruned = layers_.pruned(store);
  const std::vector<std::string> problems =
      out_of_reach(sparsity, layers_.views, *config_.group.settings, pruned, config_.selection);
  if (!problems.empty())
    fail(
        ExitCode::config,
        "prune: by group \"{}\", with min_kept_per_layer {},\n    {}\nAsk for less, or choose another group or "
        "other layers",
        config_.group.type, config_.selection.min_kept_per_layer, fmt::join(problems, "\n    "));
}

void Pruner::check(const ImageSet& train, const ParameterStore& store) const {
  if (!events_.empty()) check_reach(events_.back().sparsity, store);
  (void)fisher_examples(config_, train, {});
  if (config_.needs_inverse() || config_.update == UpdateMode::joint)
    config_.inverse->check(layers_.columns, config_.needs_inverse());
  config_.criterion->check(config_.inverse->partition(layers_.columns));
}

namespace {

void note(RunContext& run, const std::string& text) {
  fmt::print(stderr, "note: {}\n", text);
  run.metrics.append(to_row(NoticeRow{text}));
}

}  // namespace

/// Once a run: later steps have it in their rows.
void Pruner::say_if_first_distrust(RunContext& run, const Attempt& a, int epoch) const {
  for (const PruneRow& earlier : rows_of<PruneRow>(run.metrics.rows()))
    if (!earlier.trusted.value_or(true)) return;
  const double predicted = a.plan.prediction.change(), measured = a.measured.change();
  note(run, fmt::format(
                "the step to {:.2f} % after {} epochs changed the loss by {:+.4f} where {:+.4f} was predicted, so its "
                "prediction is not to be trusted: {}",
                100 * a.plan.sparsity(), epoch, measured, predicted,
                measured > predicted
                    ? "the step goes beyond where the loss is quadratic. Take it in more parts "
                      "(prune.num_recomputations), or estimate the Fisher from more rows (prune.num_grads)"
                    : "the Fisher overstates the curvature, as that of a network that has hardly learnt does. Let it "
                      "train longer before its first step"));
}

void Pruner::say_if_fisher_vanishes(RunContext& run, const PruningSite& site, double damp) const {
  if (!site.data().rows || !config_.needs_inverse()) return;
  constexpr double visible = 0.01, enough = 0.01;  // of the dampening; of the weights
  const std::vector<double> fisher = fisher_diagonal(*site.data().rows);
  std::vector<double> left;
  for (std::size_t q = 0; q < fisher.size(); ++q)
    if (!site.data().was_pruned(q)) left.push_back(fisher[q]);
  const auto seen = std::count_if(left.begin(), left.end(), [&](double f) { return f >= visible * damp; });
  if (left.empty() || static_cast<double>(seen) >= enough * static_cast<double>(left.size())) return;
  std::nth_element(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(left.size() / 2), left.end());
  note(run, fmt::format(
                "prune.damp is {:g}, and beside it the Fisher vanishes: its diagonal is below a hundredth of that for "
                "{:.1f} % of the weights (median {:.2g}). So [F^-1]_qq is 1/damp for nearly all, and criterion \"{}\" "
                "ranks as magnitude does; lower prune.damp, or set it to \"auto\"",
                damp, 100 * (1 - static_cast<double>(seen) / static_cast<double>(left.size())),
                left[left.size() / 2], config_.criterion.type));
}

void Pruner::say_what_was_missed(RunContext& run, const Plan& plan, double target) const {
  std::size_t group = 1;
  for (const LayerView& view : layers_.views) {
    for (const auto& set : config_.group->sets(view)) group = std::max(group, set.size());
    const std::vector<Index> lost = classes_without_weights(plan.removed, view);
    if (!lost.empty())
      note(run, fmt::format("{} of {} classes have no weight left in layer {} (outputs {})", lost.size(),
                       view.shape[0], view.name, fmt::join(lost, ", ")));
  }
  const double reached = plan.sparsity(),
               missed = std::abs(reached - target) * static_cast<double>(weights());
  if (!config_.group->single() && missed > static_cast<double>(group))
    note(run, fmt::format(
        "the step asked for {:.2f} % and came to {:.2f} %: groups of up to {} weights, ranked as they "
        "are, fit no better",
        100 * target, 100 * reached, group));
}

}  // namespace espalier
