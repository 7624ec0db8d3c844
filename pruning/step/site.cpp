#include "pruning/step/site.h"

#include <algorithm>

#include "framework/train/evaluate.h"

namespace espalier {

PruningSite::PruningSite(Model& model, const LoadedData& data, const PruneConfig& config, StepKey key)
    : model_(model),
      loaded_(data),
      config_(config),
      key_(key),
      layers_(config, model),
      examples_(data.source.train, data.preprocessing, fisher_examples(config, data.source.train, key)),
      data_{.w = layers_.gather(model.store().values()),
            .layers = layers_.columns,
            .pruned = layers_.pruned(model.store())},
      statistics_(model.store().statistics().begin(), model.store().statistics().end()) {}

void PruningSite::gather_gradients(bool kronecker, const std::string& scratch_folder) {
  rows_ = std::make_unique<NetworkRows>(
      model_, layers_.ids, examples_,
      RowOptions{.rows = config_.num_grads,
                 .fisher = config_.fisher,
                 .kronecker = kronecker,
                 .scratch_folder = config_.gradients_in_file ? scratch_folder : "",
                 .seed = key_.seed});
  data_.rows = rows_.get();
  data_.g.assign(rows_->mean().begin(), rows_->mean().end());
  loss_ = rows_->loss();
}

double PruningSite::loss() {
  if (!loss_) loss_ = mean_loss(model_, examples_);
  return *loss_;
}

Trial& PruningSite::held_out() {
  if (!held_out_)
    held_out_.emplace(
        model_, layers_,
        ImageExamples(loaded_.source.train, loaded_.preprocessing,
                      held_out_examples(config_, loaded_.source.train, examples_.indices(), key_)));
  return *held_out_;
}

Planner PruningSite::planner(const PruneConfig& config, double damp) {
  return {config, data_, views(), damp,
          [this](std::span<const double> delta) { return held_out().loss(delta); }};
}

void PruningSite::put(const Plan& plan) { layers_.put(model_.store(), data_.w, plan.removed, plan.delta); }

void PruningSite::restore() {
  layers_.put(model_.store(), data_.w, data_.pruned);
  std::copy(statistics_.begin(), statistics_.end(), model_.store().statistics().begin());
}

}  // namespace espalier
