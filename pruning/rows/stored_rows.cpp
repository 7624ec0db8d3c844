#include "pruning/rows/stored_rows.h"

#include <cmath>

#include "framework/core/parallel.h"

namespace espalier {

StoredRows::StoredRows(Index rows, Index cols, const std::string& scratch_folder) : rows_(rows), cols_(cols) {
  if (scratch_folder.empty()) {
    buffer_ = Tensor::uninitialized({rows_, cols_});
    values_ = buffer_.values();
  } else {
    const auto count = static_cast<std::size_t>(rows_ * cols_);
    scratch_.emplace(scratch_folder, count * sizeof(Real));
    values_ = {static_cast<Real*>(scratch_->data()), count};
  }
}

StoredRows::StoredRows(const CurvatureRows& source)
    : StoredRows(source.examples() * source.rows_per_example(), source.cols()) {
  const auto share = static_cast<Real>(std::sqrt(static_cast<double>(source.rows_per_example())));
  Real* to = values_.data();
  source.stream([&](const RowPanel& panel) {
    to = std::transform(panel.values, panel.values + panel.count * cols_, to,
                        [&](Real v) { return share * v; });
  });
}

std::vector<double> StoredRows::mean() const {
  std::vector<double> g(cols_, 0.0);
  parallel_for(cols_, 4096, [&](Range r) {
    for (Index m = 0; m < rows_; ++m)
      for (Index j = r.begin; j < r.end; ++j) g[j] += static_cast<double>(values_[m * cols_ + j]);
    for (Index j = r.begin; j < r.end; ++j) g[j] /= static_cast<double>(rows_);
  });
  return g;
}

}  // namespace espalier
