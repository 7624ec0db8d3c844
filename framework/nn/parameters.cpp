#include "framework/nn/parameters.h"

#include <algorithm>

#include "framework/core/memory.h"

namespace espalier {
namespace {

std::shared_ptr<Real> flat_array(Index size, Real fill) {
  std::shared_ptr<Real> array(new Real[std::max<Index>(size, 1)], std::default_delete<Real[]>());
  std::fill_n(array.get(), size, fill);
  return array;
}

}  // namespace

ParameterId ParameterStore::declare(std::string name, const Shape& shape, Role role, Initializer init) {
  require(!values_, "[parameters] '{}' is declared after allocate()", name);
  for (const ParameterInfo& other : infos_)
    if (other.name == name)
      fail(ExitCode::config,
           "model: two layers have a parameter named '{}'; give each layer a \"name\" of its own", name);
  infos_.push_back({std::move(name), shape, role, {size_, size_ + shape.size()}});
  initializers_.push_back(std::move(init));
  size_ += shape.size();
  return static_cast<ParameterId>(infos_.size()) - 1;
}

StatisticId ParameterStore::declare_statistic(std::string name, Index size, Real initial) {
  require(!values_, "[parameters] '{}' is declared after allocate()", name);
  statistic_infos_.push_back({std::move(name), {statistics_size_, statistics_size_ + size}});
  statistic_initial_.push_back(initial);
  statistics_size_ += size;
  return static_cast<StatisticId>(statistic_infos_.size()) - 1;
}

void ParameterStore::allocate(std::uint64_t seed) {
  require(!values_, "[parameters] allocate() is called twice");
  require_memory(3.0 * sizeof(Real) * static_cast<double>(size_),
                 fmt::format("model: {} parameters, each with gradient and mask", size_));
  values_ = flat_array(size_, 0);
  gradients_ = flat_array(size_, 0);
  mask_ = flat_array(size_, 1);
  statistics_ = flat_array(statistics_size_, 0);
  for (std::size_t i = 0; i < infos_.size(); ++i) {
    const Range r = infos_[i].range;
    Random random(seed, Random::Use::init, {i});
    initializers_[i](values().subspan(r.begin, r.size()), random);
    vars_.push_back(
        Var::parameter(Tensor::view(infos_[i].shape, std::shared_ptr<Real>(values_, values_.get() + r.begin)),
                       static_cast<ParameterId>(i)));
  }
  for (std::size_t i = 0; i < statistic_infos_.size(); ++i)
    std::fill_n(statistics_.get() + statistic_infos_[i].range.begin, statistic_infos_[i].range.size(),
                statistic_initial_[i]);
  initializers_.clear();
}

Tensor ParameterStore::statistic(StatisticId id) const {
  const Range r = statistic_infos_[id].range;
  return Tensor::view({r.size()}, std::shared_ptr<Real>(statistics_, statistics_.get() + r.begin));
}

Weights weights_of(const ParameterStore& store) {
  Weights all;
  for (std::size_t p = 0; p < store.infos().size(); ++p)
    all.tensors[store.infos()[p].name] = store.var(static_cast<ParameterId>(p)).value();
  for (std::size_t s = 0; s < store.statistic_infos().size(); ++s)
    all.tensors[store.statistic_infos()[s].name] = store.statistic(static_cast<StatisticId>(s));
  return all;
}

void ParameterStore::apply_mask() {
  for (Index i = 0; i < size_; ++i)
    if (mask_.get()[i] == 0)
      values_.get()[i] = 0;  // not a product: -0 and non-finite values would survive it
}

WeightCount count_weights(const ParameterStore& store) {
  WeightCount count;
  for (const ParameterInfo& p : store.infos()) {
    if (p.role != Role::weight) continue;
    count.weights += p.range.size();
    for (Index i = p.range.begin; i < p.range.end; ++i) {
      count.pruned += store.mask()[i] == 0;
      count.zeros += store.mask()[i] != 0 && store.values()[i] == 0;
    }
  }
  return count;
}

}  // namespace espalier
