#include "pruning/rows/curvature.h"

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

}  // namespace espalier
