// dense.h: what can be had of a curvature matrix from its rows (curvature_rows.h) in one pass over the
// examples: the dense block of a layer of thousands of weights, or, for layers of any size, its diagonal.
// Cost: making the rows, and N r d^2 operations for the block (r rows an example, d weights) in products of
// float32 tiles, each summed into float64.
#pragma once

#include "pruning/rows/curvature_rows.h"

namespace espalier {

/// sum R'R over the examples added so far, so that the mean over 100, 1,000, ... examples is had in one pass.
/// Holds d^2 doubles, and while it adds one panel of rows.
class BlockSum {
 public:
  explicit BlockSum(Index size) : sum_(size) {}
  void add(const RowPanel& panel);
  Index examples() const { return examples_; }
  /// The mean over the examples so far: both triangles.
  SquareMatrix mean() const;
  static double bytes(Index size) { return 8.0 * static_cast<double>(size) * static_cast<double>(size); }

 private:
  SquareMatrix sum_;  // lower triangle, by tiles
  Index examples_ = 0;
};

/// sum of squares of R's columns: the diagonal.
class DiagonalSum {
 public:
  explicit DiagonalSum(Index size) : sum_(static_cast<std::size_t>(size), 0.0) {}
  void add(const RowPanel& panel);
  std::vector<double> mean() const;

 private:
  std::vector<double> sum_;
  Index examples_ = 0;
};

}  // namespace espalier
