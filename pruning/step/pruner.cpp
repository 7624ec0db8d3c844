#include "pruning/step/pruner.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "framework/core/clock.h"
#include "framework/io/index_file.h"
#include "framework/io/progress.h"
#include "framework/train/checkpoint.h"
#include "pruning/step/auto_damp.h"
#include "pruning/step/examples.h"
#include "pruning/step/saliency_log.h"

namespace espalier {
namespace {

constexpr std::size_t examples_by_layer = 256;  // on which each layer's part of a move is measured
constexpr int most_sub_steps = 32;              // of one step with num_recomputations "auto"
constexpr double negligible_loss = 0.01;        // nats: rises below are no reason to distrust a prediction

double share(const std::vector<bool>& set) {
  return static_cast<double>(std::count(set.begin(), set.end(), true)) / static_cast<double>(set.size());
}

}  // namespace

Pruner::Pruner(const PruneConfig& config, const Model& model, int epochs) : config_(config) {
  LayerChoice choice = choose_layers(config, model);
  layers_ = std::move(choice.layers);
  notices_ = std::move(choice.left_alone);
  views_ = layer_views(model, layers_);
  for (const LayerView& view : views_) columns_.push_back(view.columns);
  if (config.schedule->last_epoch() > epochs)  // before the events are listed: there may be very many
    fail(ExitCode::config,
         "prune.schedule: a step is due at epoch {}, but train.epochs is {}; the target sparsity would "
         "never be reached",
         config.schedule->last_epoch(), epochs);
  events_ = config.schedule->events();
  check_layers();
  if (!config.index_file.empty()) index_file_ = read_index_file(config.index_file, "prune.index_file");
}

double Pruner::sparsity(const ParameterStore& store) const {
  Index all = 0, pruned = 0;
  for (const PrunedLayer& l : layer_sparsity(store)) all += l.weights, pruned += l.pruned;
  return static_cast<double>(pruned) / static_cast<double>(all);
}

bool Pruner::finished(int epoch) const { return events_.empty() || epoch >= events_.back().epoch; }

std::vector<PrunedLayer> Pruner::layer_sparsity(const ParameterStore& store) const {
  std::vector<PrunedLayer> result;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const Range r = store.infos()[layers_[l]].range;
    const auto mask = store.mask().subspan(r.begin, r.size());
    const Index pruned = std::count(mask.begin(), mask.end(), Real(0));
    result.push_back(
        {views_[l].name, r.size(), pruned, views_[l].macs_per_weight * static_cast<double>(pruned)});
  }
  return result;
}

bool Pruner::on_epoch(Trainer& trainer, int epoch) {
  int step = 0;  // counted through the epoch, also over several events: every step has its own examples
  for (const ScheduleEvent& event : events_) {
    if (event.epoch != epoch) continue;
    RunContext& run = trainer.context();
    if (&event == &events_.front())
      save_checkpoint(run.folder.path() / "dense.safetensors", run.model, run.metadata(epoch));
    double now = sparsity(run.model.store());
    if (config_.num_recomputations) {
      for (const double level :
           sub_levels(now, event.sparsity, *config_.num_recomputations, config_.recomputation_levels))
        prune_towards(trainer, {level, event.sparsity}, false, epoch, step++);
    } else {
      const int first = step;
      do {
        const bool may_split = step - first + 1 < most_sub_steps;
        now = prune_towards(trainer, {event.sparsity, event.sparsity}, may_split, epoch, step++);
      } while (now < event.sparsity);
    }
  }
  return step > 0;
}

bool Pruner::trusted(const Plan& plan, double measured_change) const {
  if (!plan.has_prediction) return true;
  const double predicted = std::max(0.0, plan.prediction.change());
  return measured_change + negligible_loss <= config_.trust_factor * (predicted + negligible_loss);
}

Pruner::Trust Pruner::measure(RunContext& run, const Plan& plan, double loss_before,
                              std::span<const Index> examples) const {
  const ImageSet& train = run.data.source.train;
  std::vector<Index> all(examples.begin(), examples.end()), some = all;
  some.resize(std::min(some.size(), examples_by_layer));
  Trust trust{
      .loss_before = loss_before,
      .loss_after = Trial(run.model, layers_, train, run.data.preprocessing, std::move(all)).loss(plan.delta),
      .by_layer = {}};
  Trial trial(run.model, layers_, train, run.data.preprocessing, std::move(some));
  const double base = trial.loss();
  for (const Range columns : columns_)
    trust.by_layer.push_back(trial.loss_of_part(plan.delta, columns) - base);
  return trust;
}

void Pruner::apply(Trainer& trainer, const Plan& plan, std::span<const double> w) const {
  // Survivors move, removed weights and their momentum are exactly zero.
  ParameterStore& store = trainer.context().model.store();
  put_decision(store, layers_, w, plan.removed, plan.delta);
  for (const auto& [name, values] : trainer.optimizer().state())
    for (std::size_t i = 0; i < values.size(); ++i)
      if (store.mask()[i] == 0) values[i] = 0;
}

double Pruner::prune_towards(Trainer& trainer, Level to, bool may_split, int epoch, int step) {
  const double target = to.sparsity;
  RunContext& run = trainer.context();
  ParameterStore& store = run.model.store();
  const ImageSet& train = run.data.source.train;
  const Preprocessing& preprocessing = run.data.preprocessing;
  const double started = seconds_now();
  const Score before = trainer.evaluate_test();
  const std::vector<Index> examples = fisher_examples(config_, train, index_file_, run.seed, epoch, step);
  const std::vector<double> w = gather(store.values(), store, layers_),
                            mask = gather(store.mask(), store, layers_);
  std::vector<bool> pruned(w.size());
  for (std::size_t q = 0; q < w.size(); ++q) pruned[q] = mask[q] == 0;

  // G, once for everything that the step asks of it.
  std::optional<Gradients> gradients;
  double loss_before = 0;
  if (config_.needs_gradients()) {
    gradients.emplace(
        run.model, layers_, train, preprocessing, examples,
        GradientOptions{.rows = config_.num_grads,
                        .fisher = config_.fisher,
                        .kronecker = config_.inverse->needs_kronecker(),
                        .scratch_folder = config_.gradients_in_file ? run.folder.path().string() : "",
                        .seed = run.seed});
    loss_before = gradients->loss();
  } else {
    loss_before = mean_loss(run.model, train, preprocessing, examples);
  }
  const double gathered = seconds_now();

  // The plan: with the dampening that is best, and no further than the quadratic model holds.
  Trial held_out(run.model, layers_, train, preprocessing,
                 held_out_examples(config_, train, examples, run.seed, epoch, step));
  const PruneProblem problem{.w = w,
                             .rows = gradients ? &*gradients : nullptr,
                             .g = gradients ? gradients->mean() : std::span<const double>(),
                             .layers = views_,
                             .pruned = pruned,
                             .held_out = [&](std::span<const double> delta) { return held_out.loss(delta); }};
  double damp = config_.damp.value_or(1);
  if (!config_.damp && gradients) {
    const DampChoice choice = choose_damp(config_, problem, target, held_out);
    damp = choice.damp;
    if (!run.quiet) fmt::print(stderr, "{}\n", choice.reason);
    for (const DampTrial& t : choice.trials)
      run.metrics.append({{"event", "damp"},
                          {"epoch", epoch},
                          {"sub_step", step + 1},
                          {"sparsity", share(pruned)},
                          {"damp", t.damp},
                          {"predicted_loss_change", t.predicted},
                          {"measured_loss_change", t.measured},
                          {"chosen", t.damp == choice.damp}});
  }
  const Planner planner(config_, problem, damp);
  double level = target;
  Plan plan = planner.plan(level);
  double solved = seconds_now();
  Trust trust = measure(run, plan, loss_before, examples);
  const double now = share(pruned);
  for (int halving = 0; may_split && halving < 8 && !trusted(plan, trust.loss_after - loss_before);
       ++halving) {
    const double halfway = 1 - std::sqrt((1 - now) * (1 - level));  // as the density counts
    // A step that removes next to nothing would only cost time.
    if ((halfway - now) * static_cast<double>(w.size()) < 1 ||
        halfway - now < (target - now) / most_sub_steps)
      break;
    level = halfway;
    plan = planner.plan(level);
    solved = seconds_now();
    trust = measure(run, plan, loss_before, examples);
  }

  log_saliency(run.folder.path(),
               {.epoch = epoch,
                .sub_step = step + 1,
                .scores = planner.scores(),
                .before = pruned,
                .removed = plan.removed,
                .layers = views_},
               epoch == events_.front().epoch && step == 0);
  apply(trainer, plan, w);
  if (config_.recalibrate_batch_norm)
    recalibrate_batch_norm(run.model, run.data, config_.recalibration_examples, run.seed);
  trainer.weights_changed();
  const Score after = trainer.evaluate_test();

  const double change = trust.loss_after - loss_before;
  MetricsRow row{{"event", "prune"},
                 {"epoch", epoch},
                 {"sub_step", step + 1},
                 {"sparsity_before", now},
                 {"sparsity", share(plan.removed)},
                 {"target", to.of_event},
                 {"train_loss_before", loss_before},
                 {"train_loss_after", trust.loss_after},
                 {"measured_loss_change", change}};
  if (plan.has_prediction) {
    row.push_back({"damp", damp});
    row.push_back({"predicted_loss_change", plan.prediction.change()});
    row.push_back({"predicted_with_damping", plan.prediction.damped_change()});
    row.push_back({"trusted", trusted(plan, change)});
  }
  if (config_.flops_target > 0) row.push_back({"flops_exponent", plan.flops_exponent});
  row.insert(row.end(), {{"test_accuracy_before", before.accuracy},
                         {"test_loss", after.loss},
                         {"test_accuracy", after.accuracy},
                         {"seconds", seconds_now() - started},
                         {"gradient_seconds", gathered - started},
                         {"solve_seconds", solved - gathered}});
  const std::vector<PrunedLayer> layers = layer_sparsity(store);
  for (std::size_t l = 0; l < layers.size(); ++l) {
    row.push_back({"sparsity." + layers[l].name,
                   static_cast<double>(layers[l].pruned) / static_cast<double>(layers[l].weights)});
    if (plan.has_prediction) row.push_back({"predicted." + layers[l].name, plan.by_layer[l].change()});
    row.push_back({"measured." + layers[l].name, trust.by_layer[l]});
  }
  run.metrics.append(row);
  if (!run.quiet)
    fmt::print(
        stderr,
        "pruned to {:.2f} % after {} epochs: test accuracy {:.2f} -> {:.2f} %, loss change {:+.4f}{} ({})\n",
        100 * share(plan.removed), epoch, 100 * before.accuracy, 100 * after.accuracy, change,
        plan.has_prediction ? fmt::format(" (predicted {:+.4f}{})", plan.prediction.change(),
                                          trusted(plan, change) ? "" : ", not to be trusted")
                            : "",
        format_duration(seconds_now() - started));
  if (level == target) say_what_was_missed(run, plan, target);
  if (!std::isfinite(trust.loss_after))
    fail(ExitCode::numeric,
         "the loss is not finite after pruning to {:.2f} %: the update was too large for the quadratic "
         "model; raise "
         "prune.damp or prune.step_damp, or use more prune.num_recomputations",
         100 * share(plan.removed));
  return level == target ? target : share(plan.removed);
}

}  // namespace espalier
