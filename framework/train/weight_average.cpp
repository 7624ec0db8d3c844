#include "framework/train/weight_average.h"

#include <algorithm>

#include "framework/core/parallel.h"

namespace espalier {

WeightAverage::WeightAverage(const ParameterStore& store, double decay)
    : decay_(decay), average_(store.values().begin(), store.values().end()) {}

void WeightAverage::update(const ParameterStore& store) {
  const std::span<const Real> w = store.values();
  const auto kept = static_cast<Real>(decay_), added = static_cast<Real>(1 - decay_);
  parallel_for(static_cast<Index>(average_.size()), 1 << 16, [&](Range r) {
    for (Index i = r.begin; i < r.end; ++i) average_[i] = kept * average_[i] + added * w[i];
  });
}

void WeightAverage::restart(const ParameterStore& store) {
  std::copy(store.values().begin(), store.values().end(), average_.begin());
}

void WeightAverage::exchange(ParameterStore& store) {
  std::swap_ranges(average_.begin(), average_.end(), store.values().begin());
}

}  // namespace espalier
