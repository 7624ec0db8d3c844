#include "pruning/rows/curvature.h"

#include "framework/graph/passes.h"
#include "framework/kernels/gemm.h"

namespace espalier {

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

void require_gauss_newton(const Model& model, std::span<const ParameterId> layers) {
  for (const ParameterId id : layers)
    if (!piecewise_linear_in(model.graph(), id))
      fail(ExitCode::config,
           "curvature: the \"hessian\" of {} is more than its Gauss-Newton matrix, as the steps behind it "
           "bend (an activation that is not made of straight pieces, or a product); leave it out, or ask for "
           "\"true_fisher\"",
           model.store().infos()[id].name);
}

}  // namespace espalier
