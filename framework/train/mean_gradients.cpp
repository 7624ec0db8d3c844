#include "framework/train/mean_gradients.h"

#include <algorithm>

#include "framework/autograd/backward.h"
#include "framework/kernels/elementwise.h"

namespace espalier {
namespace {

/// The sum of all partial gradients, into the store's flat array.
class SumInto final : public GradientSink {
 public:
  explicit SumInto(ParameterStore& store) : store_(store) {}
  void accept(ParameterId parameter, const Partial& partial) override {
    const Range r = store_.infos()[static_cast<std::size_t>(parameter)].range;
    Real* sum = store_.gradients().data() + r.begin;
    kernels::add(r.size(), sum, partial.all().data(), sum);
  }

 private:
  ParameterStore& store_;
};

}  // namespace

void mean_gradients(const Var& losses, ParameterStore& store) {
  std::fill(store.gradients().begin(), store.gradients().end(), Real(0));
  SumInto sink(store);
  const Index n = losses.value().size();
  backward(losses, Tensor::full({n}, Real(1) / static_cast<Real>(n)), sink);
}

}  // namespace espalier
