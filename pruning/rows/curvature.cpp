#include "pruning/rows/curvature.h"

#include "framework/kernels/gemm.h"
#include "framework/kernels/softmax.h"

namespace espalier {

std::string_view name_of(Curvature kind) {
  switch (kind) {
    case Curvature::hessian:
      return "hessian";
    case Curvature::true_fisher:
      return "true_fisher";
    case Curvature::monte_carlo_fisher:
      return "monte_carlo_fisher";
    case Curvature::empirical_fisher:
      return "empirical_fisher";
  }
  return "";
}

void DenseOperator::apply(std::span<const double> v, std::span<double> out) const {
  kernels::gemv(kernels::Transpose::no, matrix_.size, matrix_.size, 1, matrix_.values.data(), matrix_.size,
                v.data(), 0, out.data());
}

std::vector<Range> layer_columns(const ParameterStore& store, std::span<const ParameterId> layers) {
  std::vector<Range> columns;
  Index begin = 0;
  for (const ParameterId id : layers) {
    const Index size = store.infos()[id].range.size();
    columns.push_back({begin, begin + size});
    begin += size;
  }
  return columns;
}

std::vector<std::int32_t> draw_labels(const Tensor& logits, Index first_example, int sample,
                                      std::uint64_t seed) {
  const Index n = logits.shape()[0], k = logits.shape()[1];
  Tensor p = Tensor::uninitialized(logits.shape());
  kernels::softmax(n, k, logits.data(), p.data());
  std::vector<std::int32_t> labels;
  for (Index e = 0; e < n; ++e) {
    Random random(seed, Random::Use::labels,
                  {static_cast<std::uint64_t>(first_example + e), static_cast<std::uint64_t>(sample)});
    double u = random.uniform();
    std::int32_t y = 0;
    while (y + 1 < k && (u -= static_cast<double>(p.data()[e * k + y])) >= 0) ++y;
    labels.push_back(y);
  }
  return labels;
}

}  // namespace espalier
