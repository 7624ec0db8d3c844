#include "pruning/step/pruner.h"

#include <algorithm>
#include <cmath>

#include "framework/core/clock.h"
#include "framework/io/progress.h"
#include "framework/train/checkpoint.h"
#include "pruning/step/auto_damp.h"
#include "pruning/step/moment_log.h"
#include "pruning/step/rows.h"
#include "pruning/step/saliency_log.h"

namespace espalier {
namespace {

constexpr Index examples_by_layer = 256;  // on which each layer's part of a move is measured
constexpr int most_auto_sub_steps = 32;   // of one step with num_recomputations "auto"
constexpr int most_halvings = 8;          // of one sub-step
constexpr double negligible_loss = 0.01;  // nats: rises below are no reason to distrust a prediction

}  // namespace

Pruner::Pruner(const PruneConfig& config, const Model& model, int epochs)
    : config_(config), layers_(config, model) {
  if (config.schedule->last_epoch() > epochs)  // before the events are listed: there may be very many
    fail(ExitCode::config,
         "prune.schedule: a step is due at epoch {}, but train.epochs is {}; the target sparsity would "
         "never be reached",
         config.schedule->last_epoch(), epochs);
  events_ = config.schedule->events();
  check_layers();
}

double Pruner::sparsity(const ParameterStore& store) const { return share(layers_.pruned(store)); }

bool Pruner::finished(int epoch) const { return events_.empty() || epoch >= events_.back().epoch; }

std::vector<PrunedLayer> Pruner::layer_sparsity(const ParameterStore& store) const {
  std::vector<PrunedLayer> result;
  for (std::size_t l = 0; l < layers_.ids.size(); ++l) {
    const Range r = layers_.places[l];
    const auto mask = store.mask().subspan(r.begin, r.size());
    const Index pruned = std::count(mask.begin(), mask.end(), Real(0));
    const LayerView& view = layers_.views[l];
    result.push_back({view.name, r.size(), pruned, view.macs_per_weight * static_cast<double>(pruned)});
  }
  return result;
}

bool Pruner::on_epoch(Trainer& trainer, int epoch) {
  RunContext& run = trainer.context();
  StepKey at{.seed = run.seed,
             .epoch = epoch};  // counted through the epoch, also over several events: every step
  for (const ScheduleEvent& event : events_) {  // has its own examples
    if (event.epoch != epoch) continue;
    if (&event == &events_.front())
      save_checkpoint(run.folder.path() / "dense.safetensors", run.model, run.metadata(epoch));
    double now = share(layers_.pruned(run.model.store()));
    if (config_.num_recomputations) {
      for (const double level :
           sub_levels(now, event.sparsity, *config_.num_recomputations, config_.recomputation_levels)) {
        prune_towards(trainer, {level, event.sparsity, false}, at);
        ++at.step;
      }
    } else {
      const int first = at.step;
      do {
        const bool may_split = at.step - first + 1 < most_auto_sub_steps;
        now = prune_towards(trainer, {event.sparsity, event.sparsity, may_split}, at);
        ++at.step;
      } while (now < event.sparsity);
    }
  }
  return at.step > 0;
}

/// The config's dampening, or the best of those tried, which go into the metrics.
double Pruner::dampening(PruningSite& site, RunContext& run, double sparsity, StepKey at) const {
  if (config_.damp || !site.data().rows) return config_.damp.value_or(1);
  const DampChoice choice = choose_damp(config_, site.data(), site.views(), sparsity, site.held_out());
  if (!run.quiet) fmt::print(stderr, "{}\n", choice.reason);
  for (const DampTrial& t : choice.trials)
    run.metrics.append(to_row(DampRow{.epoch = at.epoch,
                                      .sub_step = at.step + 1,
                                      .sparsity = share(site.data().pruned),
                                      .damp = t.damp,
                                      .predicted_loss_change = t.predicted,
                                      .measured_loss_change = t.measured,
                                      .chosen = t.damp == choice.damp}));
  return choice.damp;
}

Pruner::Measured Pruner::measure(PruningSite& site, const Plan& plan) const {
  Measured measured{
      .loss_before = site.loss(), .loss_after = site.trial().loss(plan.delta), .by_layer = {}};
  Trial some = site.trial_on_first(examples_by_layer);
  const double base = some.loss();
  for (const Range columns : layers_.columns)
    measured.by_layer.push_back(some.loss_of_part(plan.delta, columns) - base);
  return measured;
}

/// The loss rises by more than the prediction allows: a smaller step would do better.
bool Pruner::rises_beyond(const Attempt& a) const {
  if (!a.plan.has_prediction) return false;
  const double predicted = std::max(0.0, a.plan.prediction.change());
  return !(a.measured.change() + negligible_loss <= config_.trust_factor * (predicted + negligible_loss));
}

/// Both ways: a loss that falls where a great rise was predicted is as bad a model.
bool Pruner::trusted(const Attempt& a) const {
  if (!a.plan.has_prediction) return true;
  const double p = a.plan.prediction.change(), m = a.measured.change();
  if (p * m < 0) return std::abs(m - p) + negligible_loss <= config_.trust_factor * negligible_loss;
  const auto [less, more] = std::minmax(std::abs(p), std::abs(m));
  return more + negligible_loss <= config_.trust_factor * (less + negligible_loss);
}

/// A plan for the target; if the step may be split, for less until the quadratic model holds.
Pruner::Attempt Pruner::attempt(const Planner& planner, PruningSite& site, const Level& to) const {
  const auto make = [&](double sparsity) {
    Attempt a{.plan = planner.plan(sparsity), .measured = {}, .sparsity = sparsity};
    a.solved = seconds_now();
    a.measured = measure(site, a.plan);
    return a;
  };
  const double now = share(site.data().pruned), least = (to.sparsity - now) / most_auto_sub_steps;
  Attempt a = make(to.sparsity);
  for (int halving = 0; to.may_split && halving < most_halvings && rises_beyond(a); ++halving) {
    const double halfway = 1 - std::sqrt((1 - now) * (1 - a.sparsity));  // as the density counts
    // A step that removes next to nothing would only cost time.
    if ((halfway - now) * static_cast<double>(site.weights()) < 1 || halfway - now < least) break;
    a = make(halfway);
  }
  return a;
}

void Pruner::apply(Trainer& trainer, PruningSite& site, const Plan& plan) const {
  RunContext& run = trainer.context();
  site.put(plan);  // survivors move; removed weights, and their momentum, are exactly zero
  for (const auto& [name, values] : trainer.optimizer().state())
    for (std::size_t i = 0; i < values.size(); ++i)
      if (run.model.store().mask()[i] == 0) values[i] = 0;
  if (config_.recalibrate_batch_norm)
    recalibrate_batch_norm(run.model, run.data, config_.recalibration_examples, run.seed);
  trainer.weights_changed();
}

/// A row of the metrics, and a line for people.
void Pruner::record(RunContext& run, const PruningSite& site, const Attempt& a, const Step& step) const {
  const Plan& plan = a.plan;
  PruneRow row{.epoch = step.at.epoch,
               .sub_step = step.at.step + 1,
               .sparsity_before = share(site.data().pruned),
               .sparsity = plan.sparsity(),
               .target = step.to.of_event,
               .train_loss_before = a.measured.loss_before,
               .train_loss_after = a.measured.loss_after,
               .measured_loss_change = a.measured.change(),
               .held_out_loss_change = a.measured.held_out};
  if (plan.has_prediction) {
    row.damp = step.damp;
    row.predicted_loss_change = plan.prediction.change();
    row.predicted_with_damping = plan.prediction.damped_change();
    row.trusted = trusted(a);
  }
  if (config_.flops_target > 0) row.flops_exponent = plan.flops_exponent;
  row.test_accuracy_before = step.before.accuracy;
  row.test_loss = step.after.loss;
  row.test_accuracy = step.after.accuracy;
  row.seconds = seconds_now() - step.started;
  row.gradient_seconds = step.gathered - step.started;
  row.solve_seconds = a.solved - step.gathered;
  const std::vector<PrunedLayer> layers = layer_sparsity(run.model.store());
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const std::string& name = layers[l].name;
    row.sparsities.emplace_back(
        name, static_cast<double>(layers[l].pruned) / static_cast<double>(layers[l].weights));
    if (plan.has_prediction) row.predicted.emplace_back(name, plan.by_layer[l].change());
    row.measured.emplace_back(name, a.measured.by_layer[l]);
  }
  if (!trusted(a)) say_if_first_distrust(run, a, step.at.epoch);
  run.metrics.append(to_row(row));
  if (!run.quiet)
    fmt::print(
        stderr,
        "pruned to {:.2f} % after {} epochs: test accuracy {:.2f} -> {:.2f} %, loss change {:+.4f}{}{} ({})\n",
        100 * plan.sparsity(), step.at.epoch, 100 * step.before.accuracy, 100 * step.after.accuracy,
        a.measured.change(),
        plan.has_prediction ? fmt::format(" (predicted {:+.4f}{})", plan.prediction.change(),
                                          trusted(a) ? "" : ", not to be trusted")
                            : "",
        a.measured.held_out ? fmt::format(", {:+.4f} on examples it has not seen", *a.measured.held_out) : "",
        format_duration(seconds_now() - step.started));
}

double Pruner::prune_towards(Trainer& trainer, Level to, StepKey at) const {
  RunContext& run = trainer.context();
  Step step{.to = to, .at = at, .started = seconds_now(), .before = trainer.evaluate_test()};
  PruningSite site(run.model, run.data, config_, at);
  if (config_.needs_gradients())
    site.gather_gradients(config_.inverse->needs_kronecker(), run.folder.path().string());
  site.loss();
  step.gathered = seconds_now();

  step.damp = dampening(site, run, to.sparsity, at);
  const Planner planner = site.planner(config_, step.damp);
  Attempt a = attempt(planner, site, to);
  if (site.has_held_out())
    a.measured.held_out = site.held_out().loss(a.plan.delta) - site.held_out().loss();
  const bool first_step = at.epoch == events_.front().epoch && at.step == 0;
  if (first_step) say_if_fisher_vanishes(run, site, step.damp);
  log_saliency(run.folder.path(),
               {.epoch = at.epoch,
                .sub_step = at.step + 1,
                .saliency = planner.saliency(),
                .before = site.data().pruned,
                .removed = a.plan.removed,
                .layers = site.views()},
               first_step);
  if (first_step)
    log_moment(run.folder.path(),
               moment_line({.epoch = at.epoch,
                            .sub_step = 0,
                            .sparsity = share(site.data().pruned),
                            .test_accuracy = step.before.accuracy,
                            .what = "dense"},
                           run.model, layers_, run.data),
               true);
  apply(trainer, site, a.plan);
  step.after = trainer.evaluate_test();
  log_moment(run.folder.path(),
             moment_line({.epoch = at.epoch,
                          .sub_step = at.step + 1,
                          .sparsity = a.plan.sparsity(),
                          .test_accuracy = step.after.accuracy},
                         run.model, layers_, run.data),
             false);
  record(run, site, a, step);
  if (a.sparsity == to.sparsity) say_what_was_missed(run, a.plan, to.sparsity);
  if (!std::isfinite(a.measured.loss_after))
    fail(ExitCode::numeric,
         "the loss is not finite after pruning to {:.2f} %: the update was too large for the quadratic "
         "model; raise prune.damp or prune.step_damp, or use more prune.num_recomputations",
         100 * a.plan.sparsity());
  return a.sparsity == to.sparsity ? to.sparsity : a.plan.sparsity();
}

}  // namespace espalier
