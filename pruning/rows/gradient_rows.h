// gradient_rows.h: the matrix G of mathematics.md as the inverses see it: N rows (one per example, or per
// mean of a mini-batch), d columns (one per prunable weight, in parameter order), handed out as float64
// column panels. Storage may be float32 (StoredRows), float64 (tests, `espalier explain`) or a file.
#pragma once

#include <span>
#include <vector>

#include "framework/core/check.h"
#include "framework/core/real.h"

namespace espalier {

struct KroneckerFactor;

struct GradientRows {
  virtual ~GradientRows() = default;
  virtual Index rows() const = 0;  ///< N, the number of outer products in the Fisher
  virtual Index cols() const = 0;  ///< d
  /// out[r, j] = G[r, columns.begin + j], row-major [rows(), columns.size()].
  /// Safe from several threads at once.
  virtual void load(Range columns, double* out) const = 0;
  /// Whether the values are float32 numbers; then the float32 form of load() loses nothing. Inverses compute
  /// large products of such rows in float32 where that is exact enough.
  virtual bool single() const { return false; }
  virtual void load(Range, float*) const { require(false, "[gradient rows] these rows are not float32"); }

  /// Column ranges whose share of G G' costs less than through
  /// load(), in order, and that share, added to gram [N, N].
  virtual std::vector<Range> gram_ranges() const { return {}; }
  virtual void add_gram(Range columns, double* gram) const {
    (void)columns, (void)gram;
    fail(ExitCode::internal, "[gradients] these rows have no short way to their Gram matrix");
  }
  /// Kronecker factors of the layers, if they were gathered (K-FAC).
  virtual std::span<const KroneckerFactor> kronecker() const { return {}; }
};

/// G held as float64.
class DenseRows final : public GradientRows {
 public:
  DenseRows(Index rows, Index cols, std::vector<double> values)
      : rows_(rows), cols_(cols), values_(std::move(values)) {
    require(static_cast<Index>(values_.size()) == rows * cols, "[DenseRows] {} x {} needs {} values, got {}",
            rows, cols, rows * cols, values_.size());
  }
  Index rows() const override { return rows_; }
  Index cols() const override { return cols_; }
  void load(Range columns, double* out) const override {
    for (Index r = 0; r < rows_; ++r)
      for (Index j = columns.begin; j < columns.end; ++j) *out++ = values_[r * cols_ + j];
  }

 private:
  Index rows_, cols_;
  std::vector<double> values_;
};

}  // namespace espalier
