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
  /// One step (or sub-step), reported as a row of the metrics.
  void prune_to(Trainer& trainer, double sparsity, int epoch, int step);
  std::vector<Index> draw_examples(const ImageSet& train, std::uint64_t seed, int epoch, int step) const;

  const PruneConfig& config_;
  std::vector<ParameterId> layers_;
  std::vector<Range> columns_;  // of each layer among the prunable weights
  std::vector<std::string> names_;
  std::vector<ScheduleEvent> events_;
  std::vector<Index> index_file_;  // examples of the Fisher, if the config names a file
};

}  // namespace espalier
