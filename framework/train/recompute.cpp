#include "framework/train/recompute.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "framework/kernels/elementwise.h"
#include "framework/train/diagnose.h"

namespace espalier {
namespace {

/// Passes gradients on, and sums up those of the value before a stretch, which stands in as one more parameter.
class StretchSink final : public GradientSink {
 public:
  StretchSink(GradientSink& sink, ParameterId before) : sink_(sink), before_(before) {}
  bool wants(ParameterId id) const override { return id == before_ || sink_.wants(id); }
  void accept(ParameterId id, const Partial& partial) override {
    if (id != before_) return sink_.accept(id, partial);
    const Tensor part = partial.all();
    if (sum_.empty()) {
      sum_ = part;
      return;
    }
    Tensor both = Tensor::uninitialized(part.shape());
    kernels::add(part.size(), sum_.data(), part.data(), both.data());
    sum_ = both;
  }
  Tensor take() { return std::exchange(sum_, Tensor()); }

 private:
  GradientSink& sink_;
  ParameterId before_;
  Tensor sum_;
};

ParameterId value_before(const Model& model) {
  return static_cast<ParameterId>(model.store().infos().size());
}

}  // namespace

Recomputation::Recomputation(const Model& model) : model_(model) {
  const Graph& graph = model.running();
  const auto steps = static_cast<Index>(graph.steps.size());
  std::vector<Index> cuts{0};  // where one value alone is alive
  for (Index i = 1; i < steps; ++i)
    if (model.alive_before(i) >= 0) cuts.push_back(i);
  cuts.push_back(steps);
  const std::size_t pieces = cuts.size() - 1;
  std::vector<Index> upto(pieces + 1, 0);  // values that the pieces before leave in memory
  for (std::size_t p = 0; p < pieces; ++p)
    upto[p + 1] = upto[p] + model.recorded_values({cuts[p], cuts[p + 1]}, true);
  kept_values_ = std::numeric_limits<Index>::max();
  for (std::size_t first = 0; first < pieces; ++first)
    for (std::size_t last = first + 1; last <= pieces; ++last) {
      // As long as they fit `most`, pieces are put together; what that costs: the values between stretches, and one stretch.
      const Index most = upto[last] - upto[first];
      std::vector<Range> stretches;
      Index between = 0, largest = 0;
      for (std::size_t p = 0; p < pieces;) {
        std::size_t end = p + 1;
        while (end < pieces && upto[end + 1] - upto[p] <= most) ++end;
        stretches.push_back({cuts[p], cuts[end]});
        largest = std::max(largest, upto[end] - upto[p]);
        if (end < pieces) between += graph.shape(model.alive_before(cuts[end])).size();
        p = end;
      }
      if (between + largest >= kept_values_) continue;
      kept_values_ = between + largest;
      stretches_ = std::move(stretches);
    }
}

Var Recomputation::forward(const Tensor& images, Pass& pass) {
  pass_ = pass;
  pass_.statistics_momentum = 0;  // the first time through has moved them
  before_.assign(1, images);
  for (std::size_t s = 0; s + 1 < stretches_.size(); ++s) {
    const Recording off(false);
    before_.push_back(model_.run(stretches_[s], Var(before_[s]), pass).value());
  }
  return again(stretches_.size() - 1, pass);
}

Var Recomputation::again(std::size_t stretch, Pass& pass) const {
  const Var from = stretch == 0 ? Var(before_[0]) : Var::parameter(before_[stretch], value_before(model_));
  return model_.run(stretches_[stretch], from, pass);
}

void Recomputation::backward(const Var& y, const Tensor& seed, GradientSink& sink) {
  StretchSink through(sink, value_before(model_));
  before_.pop_back();  // the graph of `y` holds it
  espalier::backward(y, seed, through);
  while (!before_.empty()) {
    const Tensor dy = through.take();
    if (dy.empty()) break;  // nothing before is wanted
    const Var stretch = again(before_.size() - 1, pass_);
    before_.pop_back();
    espalier::backward(stretch, dy, through);
  }
  before_.clear();
}

std::string Recomputation::first_non_finite() const {
  for (std::size_t s = 0; s < stretches_.size(); ++s) {
    Pass pass = pass_;
    const Var y = again(s, pass);
    const auto finite = [](Real v) { return std::isfinite(v); };
    if (std::all_of(y.value().values().begin(), y.value().values().end(), finite)) continue;
    return espalier::first_non_finite(y, model_.store());
  }
  return "every value in the graph is finite; their sum is not";
}

}  // namespace espalier
