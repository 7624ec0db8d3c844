// weight_average.h: the exponential moving average of the weights over the steps of training. The network that is tested
// and saved is then the average; training goes on with the weights themselves.
#pragma once

#include <span>
#include <vector>

#include "framework/nn/parameters.h"

namespace espalier {

class WeightAverage {
 public:
  /// Begins with the weights as they are. `decay`: share of the average that a step keeps.
  WeightAverage(const ParameterStore& store, double decay);
  /// After each step: a = decay a + (1 - decay) w.
  void update(const ParameterStore& store);
  /// Begins anew: the weights were changed by something else than a step, such as pruning.
  void restart(const ParameterStore& store);
  /// Exchanges average and weights; twice is as before.
  void exchange(ParameterStore& store);
  /// The average; while exchanged, the weights.
  std::span<Real> values() { return average_; }

 private:
  double decay_;
  std::vector<Real> average_;
};

}  // namespace espalier
