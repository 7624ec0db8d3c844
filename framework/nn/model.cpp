#include "framework/nn/model.h"

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

Index Model::macs() const {
  Index total = 0;
  for (const LayerCost& cost : costs_) total += cost.macs;
  return total;
}

}  // namespace espalier
