#include "pruning/rows/curvature_row_matrix.h"

#include <algorithm>
#include <cmath>

namespace espalier {

CurvatureRowMatrix::CurvatureRowMatrix(const CurvatureRows& source)
    : rows_(source.examples() * source.rows_per_example()), cols_(source.cols()) {
  values_.reserve(rows_ * cols_);
  const auto share = static_cast<Real>(std::sqrt(static_cast<double>(source.rows_per_example())));
  source.stream([&](const RowPanel& panel) {
    std::transform(panel.values, panel.values + panel.count * cols_, std::back_inserter(values_),
                   [&](Real v) { return share * v; });
  });
}

}  // namespace espalier
