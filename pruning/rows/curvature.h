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
#include <string_view>
#include <vector>

#include "framework/nn/model.h"
#include "pruning/rows/example_source.h"

namespace espalier {

enum class Curvature {
  hessian,             ///< second derivatives of the mean cross-entropy
  true_fisher,         ///< expectation over all classes: equals the generalised Gauss-Newton matrix
  monte_carlo_fisher,  ///< the same with labels drawn from the model
  empirical_fisher     ///< labels from the data
};
std::string_view name_of(Curvature kind);

/// Labels drawn from the model, for Curvature::monte_carlo_fisher. The draw is a function of (seed, position
/// of the example in its source, sample): it depends neither on micro-batches nor on threads.
struct MonteCarlo {
  int samples = 1;  ///< labels drawn for each example
  std::uint64_t seed = 1;
};

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

/// One label for each row of `logits` [n, classes], drawn from softmax(logits).
std::vector<std::int32_t> draw_labels(const Tensor& logits, Index first_example, int sample,
                                      std::uint64_t seed);

}  // namespace espalier
