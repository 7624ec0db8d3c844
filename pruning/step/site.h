// site.h: where a pruning step takes place: a network with its weights and masks as they are, the examples
// that the step looks at, and what is gathered from them once for everything that the step asks: the rows of
// G, their mean, losses.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "framework/data/data_config.h"
#include "pruning/rows/network_rows.h"
#include "pruning/step/examples.h"
#include "pruning/step/planner.h"
#include "pruning/step/trial.h"

namespace espalier {

class PruningSite {
 public:
  /// Everything referred to must outlive the site.
  PruningSite(Model& model, const LoadedData& data, const PruneConfig& config, StepKey key);
  PruningSite(const PruningSite&) = delete;
  PruningSite& operator=(const PruningSite&) = delete;

  const PrunableLayers& layers() const { return layers_; }
  std::span<const LayerView> views() const { return layers_.views; }
  const ImageExamples& examples() const { return examples_; }

  /// Runs the gradient pass over the examples. `kronecker`: gathers K-FAC's factors too; `scratch_folder`:
  /// the rows go into a file there where the config wants them in one.
  void gather_gradients(bool kronecker, const std::string& scratch_folder = "");
  const NetworkRows& rows() const { return *rows_; }

  /// The weights as they are, what is pruned, and, once gathered, the rows and the data's mean gradient: what
  /// a Planner plans on.
  const QuadraticModel& data() const { return data_; }
  Index weights() const { return data_.size(); }
  /// Mean loss of the examples with the weights as they are.
  double loss();
  /// Moves tried on the examples, or on the first `count` of them; on others; undone each time.
  Trial trial() const { return {model_, layers_, examples_}; }
  Trial trial_on_first(Index count) const { return {model_, layers_, examples_.first(count)}; }
  Trial& held_out();
  /// Whether there are training examples that the Fisher does not see.
  bool has_held_out() const { return examples_.size() < loaded_.source.train.size(); }

  /// `config` is the site's own, or one that differs in what is done with the rows.
  Planner planner(const PruneConfig& config, double damp);

  /// Puts a plan into the network.
  void put(const Plan& plan);
  /// Weights, masks and batch-norm statistics as they were when the site was made.
  void restore();

 private:
  Model& model_;
  const LoadedData& loaded_;
  const PruneConfig& config_;
  StepKey key_;
  PrunableLayers layers_;
  ImageExamples examples_;
  std::unique_ptr<NetworkRows> rows_;
  QuadraticModel data_;
  std::vector<Real> statistics_;
  std::optional<double> loss_;
  std::optional<Trial> held_out_;
};

}  // namespace espalier
