// labels.h: labels drawn from the model's own probabilities, for the sampled Fisher. The draw is a function
// of (seed, number of the example in its data set, sample): it depends neither on micro-batches nor on
// threads, and is the same for pruning and for `espalier curvature`.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "framework/core/tensor.h"

namespace espalier {

struct LabelDraw {
  int samples = 1;  ///< labels drawn for each example
  std::uint64_t seed = 1;
};

/// One label for each row of `logits` [n, classes], drawn
/// from softmax(logits); `examples` are the rows' numbers.
std::vector<std::int32_t> draw_labels(const Tensor& logits, std::span<const Index> examples,
                                      std::uint64_t seed, int sample = 0);

}  // namespace espalier
