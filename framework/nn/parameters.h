// parameters.h: all weights of a network in one flat array, in the order of declaration. Optimizer, mask,
// Fisher block and checkpoint are slices of it. Statistics (running mean and variance) live beside it and are
// not trained.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "framework/autograd/var.h"
#include "framework/graph/graph.h"
#include "framework/graph/weights.h"

namespace espalier {

struct ParameterInfo {
  std::string name;  ///< as in PyTorch, e.g. "layer1.0.conv1.weight"
  Shape shape;       ///< in memory: OHWI for convolutions, [out, in] for linear layers
  Role role;
  Range range;      ///< where its values lie in the flat arrays
  double rate = 1;  ///< times the learning rate is its own; 0: it is frozen, optimizers leave it as it is
  /// The layer it belongs to: its name without ".weight".
  std::string layer() const { return name.ends_with(".weight") ? name.substr(0, name.size() - 7) : name; }
};
struct StatisticInfo {
  std::string name;
  Range range;
};
using StatisticId = int;

class ParameterStore {
 public:
  ParameterStore() = default;
  ParameterStore(const ParameterStore&) = delete;
  ParameterStore& operator=(const ParameterStore&) = delete;

  ParameterId declare(std::string name, const Shape& shape, Role role, Initializer init);
  StatisticId declare_statistic(std::string name, Index size, Real initial);
  /// Makes the arrays and draws initial values, each parameter from its own stream (seed, index). Call once.
  void allocate(std::uint64_t seed);

  const std::vector<ParameterInfo>& infos() const { return infos_; }
  const std::vector<StatisticInfo>& statistic_infos() const { return statistic_infos_; }
  Index size() const { return size_; }
  std::span<Real> values() { return {values_.get(), static_cast<std::size_t>(size_)}; }
  std::span<const Real> values() const { return {values_.get(), static_cast<std::size_t>(size_)}; }
  std::span<Real> gradients() { return {gradients_.get(), static_cast<std::size_t>(size_)}; }
  /// 1 = kept, 0 = pruned. A weight with mask 0 must be 0: apply_mask() after any write to values(). To write
  /// to it, ask for it anew each time: that is how mask_version() knows.
  std::span<Real> mask() {
    ++mask_version_;
    return {mask_.get(), static_cast<std::size_t>(size_)};
  }
  std::span<const Real> mask() const { return {mask_.get(), static_cast<std::size_t>(size_)}; }
  /// Another number whenever the mask may have changed.
  std::uint64_t mask_version() const { return mask_version_; }
  std::span<Real> statistics() { return {statistics_.get(), static_cast<std::size_t>(statistics_size_)}; }
  std::span<const Real> statistics() const {
    return {statistics_.get(), static_cast<std::size_t>(statistics_size_)};
  }

  /// The parameter as a leaf of the graph; its tensor is a view of values().
  const Var& var(ParameterId id) const { return vars_[id]; }
  /// View of one statistic.
  Tensor statistic(StatisticId id) const;
  void apply_mask();
  void set_rate(ParameterId id, double factor) { infos_[id].rate = factor; }

 private:
  std::vector<ParameterInfo> infos_;
  std::vector<StatisticInfo> statistic_infos_;
  std::vector<Initializer> initializers_;
  std::vector<Real> statistic_initial_;
  std::vector<Var> vars_;
  Index size_ = 0, statistics_size_ = 0;
  std::uint64_t mask_version_ = 1;
  std::shared_ptr<Real> values_, gradients_, mask_, statistics_;
};

/// Of a network's weights (biases and norms are none): how many there are, are pruned, and are zero although
/// they are not.
struct WeightCount {
  Index weights = 0, pruned = 0, zeros = 0;
  double share() const { return weights ? static_cast<double>(pruned) / static_cast<double>(weights) : 0; }
};
WeightCount count_weights(const ParameterStore& store);

/// Views of all values by name, for an engine: they change with the store's.
Weights weights_of(const ParameterStore& store);

}  // namespace espalier
