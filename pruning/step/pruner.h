// pruner.h: pruning as it meets a network: at the epochs its schedule names, gather gradients, invert,
// score, select, compensate, mask, and compare the predicted loss change with the measured one. A hook of
// the Trainer.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "framework/train/trainer.h"
#include "pruning/step/planner.h"
#include "pruning/step/trial.h"

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

  const std::vector<ScheduleEvent>& events() const { return events_; }
  /// Parameters that may be pruned, in parameter order.
  const std::vector<ParameterId>& layers() const { return layers_; }
  const std::vector<Range>& columns() const { return columns_; }
  Index weights() const { return columns_.empty() ? 0 : columns_.back().end; }
  std::vector<PrunedLayer> layer_sparsity(const ParameterStore& store) const;

 private:
  struct Level {
    double sparsity = 0, of_event = 0;  ///< this step's target, and that of the event that it is part of
  };
  /// Prunes towards `to` and returns the sparsity reached: the target, or less where the step was not to
  /// be trusted and may be split. A row of the metrics.
  double prune_towards(Trainer& trainer, Level to, bool may_split, int epoch, int step);
  struct Trust {
    double loss_before = 0, loss_after = 0;
    std::vector<double> by_layer;  ///< measured loss change of each layer's part of the move alone
  };
  Trust measure(RunContext& run, const Plan& plan, double loss_before, std::span<const Index> examples) const;
  bool trusted(const Plan& plan, double measured_change) const;
  void apply(Trainer& trainer, const Plan& plan, std::span<const double> w) const;

  const PruneConfig& config_;
  std::vector<ParameterId> layers_;
  std::vector<LayerView> views_;
  std::vector<Range> columns_;  // of each layer among the prunable weights
  std::vector<ScheduleEvent> events_;
  std::vector<Index> index_file_;  // examples of the Fisher, if the config names a file
};

}  // namespace espalier
