#include "pruning/rows/labels.h"

#include "framework/core/random.h"
#include "framework/kernels/softmax.h"

namespace espalier {

std::vector<std::int32_t> draw_labels(const Tensor& logits, std::span<const Index> examples,
                                      std::uint64_t seed, int sample) {
  const Index n = logits.shape()[0], classes = logits.shape()[1];
  require(static_cast<Index>(examples.size()) == n, "[draw_labels] {} rows of logits, {} numbers", n,
          examples.size());
  Tensor p = Tensor::uninitialized(logits.shape());
  kernels::softmax(n, classes, logits.data(), p.data());
  std::vector<std::int32_t> labels;
  for (Index e = 0; e < n; ++e) {
    const auto number = static_cast<std::uint64_t>(examples[e]), draw = static_cast<std::uint64_t>(sample);
    Random random =
        sample == 0 ? Random(seed, Random::Use::labels, {number})  // the first is the one that pruning takes
                    : Random(seed, Random::Use::labels, {number, draw});
    double u = random.uniform();
    std::int32_t label = 0;
    while (label + 1 < classes && (u -= static_cast<double>(p.data()[e * classes + label])) >= 0) ++label;
    labels.push_back(label);
  }
  return labels;
}

}  // namespace espalier
