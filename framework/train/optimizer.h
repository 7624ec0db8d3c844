// optimizer.h: first-order updates of the flat parameter array. Masked weights and their momentum stay
// exactly zero.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "framework/config/fields.h"
#include "framework/nn/parameters.h"

namespace espalier {

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// One step against store.gradients(). `decay` = false leaves out the weight decay
  /// (train.stop_weight_decay_after_pruning).
  virtual void step(ParameterStore& store, double rate, bool decay) = 0;
  /// What must be saved to continue to the same bits: arrays by name, and the number of steps taken.
  virtual std::vector<std::pair<std::string, std::span<Real>>> state() = 0;
  std::int64_t steps = 0;
};

struct OptimizerSettings {
  virtual ~OptimizerSettings() = default;
  virtual void fields(Fields& f) = 0;
  virtual std::unique_ptr<Optimizer> make(const ParameterStore& store) const = 0;
};

}  // namespace espalier
