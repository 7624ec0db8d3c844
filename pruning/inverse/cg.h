// cg.h: (A + damp I)^-1 times a vector by conjugate gradients (Hestenes & Stiefel 1952), for any curvature
// operator; and the same as a FisherInverse. Memory: four vectors. Each solve takes about sqrt(condition
// number) products to a fixed accuracy, where condition = (largest eigenvalue + damp) / damp.
#pragma once

#include <memory>

#include "pruning/inverse/inverse.h"
#include "pruning/rows/curvature.h"

namespace espalier {

struct CgOptions {
  double tolerance = 1e-8;  ///< of the residual, as a share of its first value for x = 0
  int most_steps = 1000;
  /// The residual r = b - (A + damp I) x is measured by |r|; true: by sqrt(r' M^-1 r), M the preconditioner,
  /// which is the natural length where the entries of x are of very different scales.
  bool preconditioned_norm = false;
  /// False: what most_steps have reached is taken, without an error.
  bool must_settle = true;
};
struct CgResult {
  int steps = 0;
  double residual = 0;  ///< as a share, as CG's recurrence has it
};

/// Solves (A + damp I) x = b; x comes as the first guess. `diagonal` of A, if not empty, preconditions
/// (Jacobi). Throws Error(numeric) if a direction has no positive curvature (an indefinite Hessian needs a
/// larger damp), or if the tolerance is not reached.
CgResult conjugate_gradients(const CurvatureOperator& matrix, double damp, std::span<const double> b,
                             std::span<double> x, const CgOptions& options = {},
                             std::span<const double> diagonal = {});

/// (A + damp I)^-1 for the Hessian, Gauss-Newton or a Fisher, by conjugate gradients: apply() and column()
/// are one solve each. diagonal() is exact and takes d solves, so it is refused above `most_diagonal`
/// weights: use an inverse from gradient rows there.
class OperatorInverse final : public FisherInverse {
 public:
  /// `diagonal` (of A, not of the inverse; may be empty) preconditions.
  OperatorInverse(std::shared_ptr<const CurvatureOperator> matrix, double damp, CgOptions options = {},
                  std::vector<double> diagonal = {}, Index most_diagonal = 4096);
  Index size() const override { return matrix_->size(); }
  std::span<const double> diagonal() const override;
  void apply(std::span<const double> v, std::span<double> out) const override;

 private:
  std::shared_ptr<const CurvatureOperator> matrix_;
  double damp_;
  CgOptions options_;
  std::vector<double> preconditioner_;
  Index most_diagonal_;
  mutable std::vector<double> diagonal_;
};

/// G'G / N as an operator. The rows must outlive it.
class RowsOperator final : public CurvatureOperator {
 public:
  explicit RowsOperator(const GradientRows& rows) : rows_(rows) {}
  Index size() const override { return rows_.cols(); }
  void apply(std::span<const double> v, std::span<double> out) const override;

 private:
  const GradientRows& rows_;
};

}  // namespace espalier
