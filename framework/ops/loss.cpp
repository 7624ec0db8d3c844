// loss.cpp: softmax and cross-entropy. Losses are per example;
// the mean is taken by whoever seeds the reverse pass.
#include <algorithm>

#include "framework/autograd/arithmetic.h"
#include "framework/kernels/softmax.h"
#include "framework/ops/ops.h"

namespace espalier {

Var softmax(const Var& logits) {
  const Shape& s = logits.shape();
  require(s.rank() == 2, "[softmax] needs logits [n, k], got {}", s);
  Tensor p = Tensor::uninitialized(s);
  kernels::softmax(s[0], s[1], logits.value().data(), p.data());
  return record("softmax", {logits}, std::move(p), [](const Inputs&, const Var& out, const Var& dy) {
    const Var weighted = multiply(out, dy);  // dx = p (dy - sum_k p_k dy_k)
    return subtract(weighted, multiply(out, spread_rows(sum_rows(weighted), out.shape()[1])));
  });
}

Var cross_entropy(const Var& logits, std::span<const std::int32_t> labels, double smoothing) {
  const Shape& s = logits.shape();
  require(s.rank() == 2 && s[0] == static_cast<Index>(labels.size()),
          "[cross_entropy] logits {} and {} labels", s, labels.size());
  const Index n = s[0], classes = s[1];
  const auto [low, high] = std::minmax_element(labels.begin(), labels.end());
  require(labels.empty() || (*low >= 0 && *high < classes), "[cross_entropy] labels {}..{} with {} classes",
          labels.empty() ? 0 : *low, labels.empty() ? 0 : *high, classes);
  require(smoothing >= 0 && smoothing <= 1, "[cross_entropy] label smoothing {} is not in [0, 1]", smoothing);
  Tensor loss = Tensor::uninitialized({n}), residual = Tensor::uninitialized(s);
  kernels::cross_entropy(n, classes, logits.value().data(), labels.data(), static_cast<Real>(smoothing),
                         loss.data(), residual.data());
  // residual = p - t. Its label entry would cancel for confident predictions (p near 1); both p and t sum to
  // 1, so it is minus the sum of the others, which keeps its digits.
  const auto elsewhere = static_cast<Real>(smoothing / static_cast<double>(classes));
  for (Index i = 0; i < n; ++i) {
    Real* row = residual.data() + i * classes;
    const Index label = labels[i];
    Real others = 0;
    for (Index k = 0; k < classes; ++k) {
      row[k] -= elsewhere;
      others += k == label ? Real(0) : row[k];
    }
    row[label] = -others;
  }
  // For a second derivative the probabilities must depend on the logits: p = t + residual is taken from them
  // anew, less the constant t = p - residual.
  return record("cross_entropy", {logits}, std::move(loss),
                [residual](const Inputs& in, const Var&, const Var& dy) {
                  const Index k = residual.shape()[1];
                  if (!recording()) {
                    Tensor dx = Tensor::uninitialized(residual.shape());
                    kernels::scale_rows(dx.shape()[0], k, residual.data(), dy.value().data(), dx.data());
                    return Var(std::move(dx));
                  }
                  const Var p = softmax(in[0]);
                  const Var target = subtract(Var(p.value()), Var(residual));
                  return multiply(spread_rows(dy, k), subtract(p, target));
                });
}

}  // namespace espalier
