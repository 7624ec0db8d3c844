// recompute.h: training in less memory. The network is cut into stretches between values that alone are alive; the
// forward pass keeps the values at the cuts, and the reverse pass computes each stretch again before it goes through
// it (Chen et al. 2016, "Training deep nets with sublinear memory cost"). The same sums in the same order: same bits.
#pragma once

#include <string>
#include <vector>

#include "framework/autograd/backward.h"
#include "framework/nn/model.h"

namespace espalier {

class Recomputation {
 public:
  /// Chooses the cuts that need the least memory. The model must outlive it.
  explicit Recomputation(const Model& model);
  /// Model::forward, but only its last stretch is recorded.
  Var forward(const Tensor& images, Pass& pass);
  /// The reverse pass from a function `y` of what forward() returned, through all stretches. Once for each forward().
  void backward(const Var& y, const Tensor& seed, GradientSink& sink);
  /// Where the first value that is not finite arose in the forward pass; see diagnose.h.
  std::string first_non_finite() const;

  const std::vector<Range>& stretches() const { return stretches_; }
  /// Values of one example that are in memory at most.
  Index kept_values() const { return kept_values_; }

 private:
  Var again(std::size_t stretch, Pass& pass) const;
  const Model& model_;
  std::vector<Range> stretches_;
  Index kept_values_ = 0;
  Pass pass_;
  std::vector<Tensor> before_;  // the value before each stretch
};

}  // namespace espalier
