// loss.cpp: softmax and cross-entropy. Losses are per example; the mean is taken by whoever seeds the reverse
// pass.
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
  Tensor loss = Tensor::uninitialized({n}), p = Tensor::uninitialized(s), target = Tensor::uninitialized(s);
  kernels::cross_entropy(n, classes, logits.value().data(), labels.data(), static_cast<Real>(smoothing),
                         loss.data(), p.data());
  std::fill_n(target.data(), target.size(), static_cast<Real>(smoothing / static_cast<double>(classes)));
  for (Index i = 0; i < n; ++i)
    target.data()[i * classes + labels[static_cast<std::size_t>(i)]] += static_cast<Real>(1 - smoothing);
  // The probabilities of the forward pass serve the first derivative; for a second one they must depend on
  // the logits.
  return record("cross_entropy", {logits}, std::move(loss),
                [p, target](const Inputs& in, const Var&, const Var& dy) {
                  const Var probability = recording() ? softmax(in[0]) : Var(p);
                  return multiply(spread_rows(dy, target.shape()[1]), subtract(probability, Var(target)));
                });
}

}  // namespace espalier
