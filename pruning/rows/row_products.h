// row_products.h: what is asked of G besides its entries: products with vectors, sums of squares of its
// columns, and G without some columns. Panels of columns are loaded and worked on side by side; sums are
// taken in a fixed order, so the bits do not depend on the number of threads.
#pragma once

#include <span>
#include <vector>

#include "pruning/rows/gradient_rows.h"

namespace espalier {

/// out[m] = sum_q G[m, q] v[q], over the columns `columns` of G; v is indexed from columns.begin.
void multiply_rows(const GradientRows& rows, Range columns, std::span<const double> v, std::span<double> out);
/// out[q] = sum_m G[m, q] u[m], for the columns `columns`; out is indexed from columns.begin.
void multiply_columns(const GradientRows& rows, Range columns, std::span<const double> u,
                      std::span<double> out);

/// sum_m G[m, q]^2 of the columns `columns`: N times the undamped Fisher's diagonal.
std::vector<double> column_squares(const GradientRows& rows, Range columns);
/// (1/N) of that for all columns; zeros without rows.
std::vector<double> fisher_diagonal(const GradientRows& rows);

/// G with the columns of a set replaced by zeros. Zeroed columns decouple from all others, so the inverse
/// built on it is, on the remaining set S, exactly (H_SS)^-1 of the joint update (mathematics.md section 5).
class MaskedRows final : public GradientRows {
 public:
  MaskedRows(const GradientRows& rows, std::vector<bool> zeroed) : rows_(rows), zeroed_(std::move(zeroed)) {}
  Index rows() const override { return rows_.rows(); }
  Index cols() const override { return rows_.cols(); }
  void load(Range columns, double* out) const override { load_zeroed(columns, out); }
  bool single() const override { return rows_.single(); }
  void load(Range columns, float* out) const override { load_zeroed(columns, out); }
  std::span<const KroneckerFactor> kronecker() const override { return rows_.kronecker(); }

 private:
  template <class T>
  void load_zeroed(Range columns, T* out) const {
    rows_.load(columns, out);
    for (Index j = 0; j < columns.size(); ++j)
      if (zeroed_[columns.begin + j])
        for (Index m = 0; m < rows(); ++m) out[m * columns.size() + j] = 0;
  }
  const GradientRows& rows_;
  std::vector<bool> zeroed_;
};

}  // namespace espalier
