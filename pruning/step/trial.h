// trial.h: what a move of the prunable weights does to the real network, measured and undone.
#pragma once

#include <span>
#include <vector>

#include "framework/data/examples.h"
#include "pruning/step/layers.h"

namespace espalier {

class Trial {
 public:
  /// Model and layers must outlive it.
  Trial(Model& model, const PrunableLayers& layers, ImageExamples examples)
      : model_(model), layers_(layers), examples_(std::move(examples)) {}
  /// Mean loss of the examples with the prunable weights moved by `delta`; empty: as they are. The weights
  /// are as before afterwards, also if it throws.
  double loss(std::span<const double> delta = {});
  /// The same with only the columns `range` moved.
  double loss_of_part(std::span<const double> delta, Range range);

 private:
  Model& model_;
  const PrunableLayers& layers_;
  ImageExamples examples_;
};

}  // namespace espalier
