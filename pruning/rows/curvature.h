// curvature.h: the curvature matrices of mathematics.md section 2, as operators on the weights of one or more
// layers, and the small dense matrix that the lab shows. All are means over examples, in evaluation mode;
// rows and columns of pruned weights (mask 0) are zero. What each file here computes, and at what cost:
//
//     products.h    matrix times vector, all weights or some layers   ~4 reverse passes per example
//     rows.h        rows R with R'R = one layer's block               1 (empirical) or classes - 1 passes
//     dense.h       that block, its diagonal, trace, single rows      the rows, and N r d^2 for the block
//     lanczos.h     leading eigenvalues, from products                one product a step
//     cg.h          inverse times vector, from products               one product a step
#pragma once

#include <span>
#include <vector>

#include "framework/nn/model.h"
#include "pruning/rows/fisher_kind.h"

namespace espalier {

/// A symmetric matrix that can be multiplied with.
class CurvatureOperator {
 public:
  virtual ~CurvatureOperator() = default;
  virtual Index size() const = 0;
  /// out = A v; both have size() values and may not overlap.
  virtual void apply(std::span<const double> v, std::span<double> out) const = 0;
};

/// d x d, row-major.
struct SquareMatrix {
  Index size = 0;
  std::vector<double> values;
  explicit SquareMatrix(Index n = 0) : size(n), values(static_cast<std::size_t>(n * n), 0.0) {}
  double& operator()(Index i, Index j) { return values[i * size + j]; }
  double operator()(Index i, Index j) const { return values[i * size + j]; }
};

/// A SquareMatrix as an operator, for comparisons. The matrix must outlive it.
class DenseOperator final : public CurvatureOperator {
 public:
  explicit DenseOperator(const SquareMatrix& matrix) : matrix_(matrix) {}
  Index size() const override { return matrix_.size; }
  void apply(std::span<const double> v, std::span<double> out) const override;

 private:
  const SquareMatrix& matrix_;
};

/// Where the weights of each of `layers` lie in a vector over all of them, in the order given.
std::vector<Range> layer_columns(const ParameterStore& store, std::span<const ParameterId> layers);

/// Throws Error(config) unless each layer's block of the Hessian equals its Gauss-Newton matrix: the network
/// must be piecewise linear behind it (ReLU), or the block has terms that rows of gradients do not hold.
void require_gauss_newton(const Model& model, std::span<const ParameterId> layers);

}  // namespace espalier
