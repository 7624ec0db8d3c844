// row_matrix.h: the rows of a curvature matrix held as gradient rows, so that every inverse of this program
// takes the inverse of the true Fisher, or of one layer's Hessian, as it does of the empirical Fisher.
#pragma once

#include "pruning/rows/curvature_rows.h"
#include "pruning/rows/gradient_rows.h"

namespace espalier {

/// N r rows (r for each example) scaled by sqrt(r), so that (1/rows()) G'G is the mean matrix. Holds
/// N r d values of Real: true Fisher of 10 classes, 9 times the empirical Fisher's.
class CurvatureRowMatrix final : public GradientRows {
 public:
  explicit CurvatureRowMatrix(const CurvatureRows& source);
  Index rows() const override { return rows_; }
  Index cols() const override { return cols_; }
  void load(Range columns, double* out) const override { copy(columns, out); }
  bool single() const override { return sizeof(Real) == sizeof(float); }
  void load(Range columns, float* out) const override { copy(columns, out); }
  static double bytes(const CurvatureRows& source) {
    return static_cast<double>(source.examples() * source.rows_per_example() * source.cols()) * sizeof(Real);
  }

 private:
  template <class T>
  void copy(Range columns, T* out) const {
    for (Index m = 0; m < rows_; ++m)
      for (Index j = columns.begin; j < columns.end; ++j) *out++ = static_cast<T>(values_[m * cols_ + j]);
  }
  Index rows_, cols_;
  std::vector<Real> values_;
};

}  // namespace espalier
