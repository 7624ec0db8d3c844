#include "framework/train/mean_gradients.h"

#include <algorithm>
#include <vector>

#include "framework/autograd/backward.h"
#include "framework/kernels/elementwise.h"

namespace espalier {
namespace {

/// The sum of all partial gradients, into the store's flat array: the first of a parameter is written, others
/// are added.
class SumInto final : public GradientSink {
 public:
  SumInto(ParameterStore& store, std::vector<char>& reached) : store_(store), reached_(reached) {
    reached_.assign(store.infos().size(), 0);
  }
  void accept(ParameterId parameter, const Partial& partial) override {
    const auto p = static_cast<std::size_t>(parameter);
    if (std::exchange(reached_[p], 1)) {
      kernels::add(size(p), sum(p), partial.all().data(), sum(p));
    } else {
      partial.write({0, partial.examples()}, sum(p));
    }
  }
  void clear_unreached() {
    for (std::size_t p = 0; p < reached_.size(); ++p)
      if (!reached_[p]) std::fill_n(sum(p), size(p), Real(0));
  }

 private:
  Real* sum(std::size_t p) { return store_.gradients().data() + store_.infos()[p].range.begin; }
  Index size(std::size_t p) const { return store_.infos()[p].range.size(); }
  ParameterStore& store_;
  std::vector<char>& reached_;
};

}  // namespace

void mean_gradients(const Var& losses, ParameterStore& store, Recomputation* recomputation) {
  thread_local std::vector<char> reached;  // kept, so that a step allocates nothing
  SumInto sink(store, reached);
  const Index n = losses.value().size();
  const Tensor seed = Tensor::full({n}, Real(1) / static_cast<Real>(n));
  if (recomputation)
    recomputation->backward(losses, seed, sink);
  else
    backward(losses, seed, sink);
  sink.clear_unreached();
}

}  // namespace espalier
