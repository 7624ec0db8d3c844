// pruner.h: pruning as it meets a network: at the epochs its schedule names,
// gather gradients, invert, rank, select, compensate, mask, and compare the
// predicted loss change with the measured one. A hook of the Trainer.
#pragma once

#include <string>
#include <vector>

#include "framework/train/trainer.h"
#include "pruning/step/site.h"

namespace espalier {

/// A layer as the pruner sees it.
struct PrunedLayer {
  std::string name;
  Index weights = 0, pruned = 0;
  double macs_pruned = 0;  ///< multiply-adds of one example that the pruned weights took part in
};

class Pruner final : public Hook {
 public:
  /// `epochs`: length of the run; events after it would never happen and are Error(config).
  Pruner(const PruneConfig& config, const Model& model, int epochs);

  bool on_epoch(Trainer& trainer, int epoch) override;
  bool finished(int epoch) const override;
  /// Share of the prunable weights that are pruned.
  double sparsity(const ParameterStore& store) const override;

  /// Throws Error(config) for what a step would only find out when it is due: more gradients than images, layers
  /// too large for the inverse, a sparsity that the groups cannot come to. Cheap.
  void check(const ImageSet& train, const ParameterStore& store) const;
  /// The last of these for one sparsity.
  void check_reach(double sparsity, const ParameterStore& store) const;
  /// What the user should know of the choice of layers.
  const std::vector<std::string>& notices() const { return layers_.left_alone; }

  const std::vector<ScheduleEvent>& events() const { return events_; }
  /// Columns of each layer among the prunable weights.
  const std::vector<Range>& columns() const { return layers_.columns; }
  Index weights() const { return layers_.weights(); }
  std::vector<PrunedLayer> layer_sparsity(const ParameterStore& store) const;

 private:
  void check_layers() const;
  void say_what_was_missed(RunContext& run, const Plan& plan, double target) const;
  struct Level {
    double sparsity = 0, of_event = 0;  ///< this step's target, and that of the event that it is part of
    bool may_split = false;             ///< where the step is not to be trusted
  };
  /// What became of a plan: the loss after it, and each layer's part of the change.
  struct Measured {
    double loss_before = 0, loss_after = 0;
    std::optional<double> held_out = {};  ///< change on examples the Fisher has not seen
    std::vector<double> by_layer;  ///< measured loss change of each layer's part of the move alone
    double change() const { return loss_after - loss_before; }
  };
  struct Attempt {
    Plan plan;
    Measured measured;
    double sparsity = 0;  ///< that it was made for
    double solved = 0;    ///< when the plan was there, as seconds_now()
  };
  /// What is known of a step besides its plan.
  struct Step {
    Level to;
    StepKey at;
    double started = 0, gathered = 0;  ///< as seconds_now(): the step, and when the gradients were there
    double damp = 1;
    Evaluation before = {}, after = {};
  };
  /// Prunes towards `to` and returns the sparsity reached: the target, or less where the step was split.
  double prune_towards(Trainer& trainer, Level to, StepKey at) const;
  double dampening(PruningSite& site, RunContext& run, double sparsity, StepKey at) const;
  Attempt attempt(const Planner& planner, PruningSite& site, const Level& to) const;
  Measured measure(PruningSite& site, const Plan& plan) const;
  bool rises_beyond(const Attempt& attempt) const;
  bool trusted(const Attempt& attempt) const;
  void say_if_first_distrust(RunContext& run, const Attempt& attempt, int epoch) const;
  void say_if_fisher_vanishes(RunContext& run, const PruningSite& site, double damp) const;
  void apply(Trainer& trainer, PruningSite& site, const Plan& plan) const;
  void record(RunContext& run, const PruningSite& site, const Attempt& attempt, const Step& step) const;

  const PruneConfig& config_;
  PrunableLayers layers_;
  std::vector<ScheduleEvent> events_;
};

}  // namespace espalier
