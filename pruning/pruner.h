// pruner.h: pruning as it meets a network: at the epochs its schedule names, gather gradients, invert, score,
// select, compensate, mask, and compare the predicted loss change with the measured one. A hook of the
// Trainer.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "framework/train/trainer.h"
#include "pruning/prune_config.h"
#include "pruning/schedule.h"

namespace espalier {

/// One pruning step (or sub-step), as it is written to the metrics.
struct PruneReport {
  int epoch = 0, step = 0, steps = 1;
  double sparsity_before = 0, sparsity = 0;  ///< over the weights that may be pruned
  double predicted = 0,
         predicted_damped = 0;  ///< loss change by the quadratic model (mathematics.md section 6)
  double loss_before = 0,
         loss_after = 0;  ///< on the examples of the Fisher, before batch norm is re-estimated
  double accuracy_before = 0, accuracy_after = 0;  ///< on the test set
  double gradient_seconds = 0, solve_seconds = 0;
};

/// A layer as the pruner sees it.
struct PrunedLayer {
  std::string name;
  Index weights = 0, pruned = 0;
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
  PruneReport prune_to(Trainer& trainer, double sparsity, int epoch, int step);
  std::vector<Index> draw_examples(const ImageSet& train, std::uint64_t seed, int epoch, int step) const;

  const PruneConfig& config_;
  std::vector<ParameterId> layers_;
  std::vector<Range> columns_;  // of each layer among the prunable weights
  std::vector<std::string> names_;
  std::vector<ScheduleEvent> events_;
  std::vector<Index> index_file_;  // examples of the Fisher, if the config names a file
};

}  // namespace espalier
