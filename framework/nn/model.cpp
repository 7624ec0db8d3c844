#include "framework/nn/model.h"

#include <algorithm>

#include "framework/core/parallel.h"

namespace espalier {

void Model::trace() {
  const Recording off(false);
  Pass pass{.costs = &costs_};
  try {
    const Var logits = forward(Tensor::zeros({1, image_[0], image_[1], image_[2]}), pass);
    if (logits.shape() != Shape{1, classes_})
      fail(ExitCode::config, "model: its output has shape {} for one example; {} classes need {}",
           logits.shape(), classes_, Shape{1, classes_});
  } catch (const Error& e) {
    if (e.code() != ExitCode::internal) throw;
    fail(ExitCode::config, "model: images of {}x{}x{} (height, width, channels) do not fit: {}", image_[0],
         image_[1], image_[2], e.what());
  }
}

Index Model::examples_in_cache() const {
  Index largest = image_.size();
  for (const LayerCost& cost : costs_) largest = std::max(largest, cost.output.size());
  constexpr Index values = (Index{1} << 20) / static_cast<Index>(sizeof(Real));
  return std::max<Index>(8, values / largest);
}

Var Model::forward(const Var& images, Pass& pass) const {
  // At least 20 microseconds of work, at most four parts of what would fit a cache as a whole.
  const Index n = images.shape()[0], worth = (Index{1} << 20) / std::max<Index>(macs(), 1);
  const Index part = std::min(examples_in_cache(), std::max<Index>({worth, (n + 3) / 4, 1}));
  if (recording() || pass.training || pass.costs || n <= part) return root_->forward(images, pass);
  Tensor logits = Tensor::uninitialized({n, classes_});
  parallel_for(n, part, [&](Range examples) {
    const Recording off(false);  // known per thread
    Pass mine = pass;
    const Var rows = root_->forward(Var(images.value().slice(examples)), mine);
    std::copy_n(rows.value().data(), rows.value().size(), logits.data() + examples.begin * classes_);
  });
  return Var(std::move(logits));
}

ParameterId classifier(const Model& model) {
  if (model.costs().empty()) return -1;
  const ParameterId last = model.costs().back().weight;
  return model.store().infos()[last].shape[0] == model.classes() ? last : -1;
}

Index Model::macs() const {
  Index total = 0;
  for (const LayerCost& cost : costs_) total += cost.macs;
  return total;
}

}  // namespace espalier
