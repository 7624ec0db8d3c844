// stored_rows.h: G held as numbers of Real, in memory or in a file.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "framework/core/tensor.h"
#include "framework/io/scratch_memory.h"
#include "pruning/rows/curvature_rows.h"
#include "pruning/rows/gradient_rows.h"

namespace espalier {

class StoredRows final : public GradientRows {
 public:
  /// Rows that are not written yet: rows x cols values in memory, or with `scratch_folder` in an unlinked
  /// file there that the system reads back in as needed (for more rows than memory holds).
  StoredRows(Index rows, Index cols, const std::string& scratch_folder = "");
  /// All rows of a curvature matrix (r for each of N examples) scaled by
  /// sqrt(r), so that G'G / rows() is the mean matrix and every inverse takes it
  /// as it does the empirical Fisher. True Fisher of 10 classes: 9 N d values.
  explicit StoredRows(const CurvatureRows& source);

  Index rows() const override { return rows_; }
  Index cols() const override { return cols_; }
  void load(Range columns, double* out) const override { copy(columns, out); }
  bool single() const override { return sizeof(Real) == sizeof(float); }
  void load(Range columns, float* out) const override { copy(columns, out); }
  std::span<Real> row(Index m) { return {values_.data() + m * cols_, static_cast<std::size_t>(cols_)}; }
  /// Mean of the rows: of gradients, the mean gradient over all examples used.
  std::vector<double> mean() const;

 private:
  template <class T>
  void copy(Range columns, T* out) const {
    for (Index m = 0; m < rows_; ++m) {
      const Real* from = values_.data() + m * cols_;
      out = std::transform(from + columns.begin, from + columns.end, out,
                           [](Real v) { return static_cast<T>(v); });
    }
  }
  Index rows_, cols_;
  Tensor buffer_;
  std::optional<ScratchMemory> scratch_;
  std::span<Real> values_;
};

}  // namespace espalier
