// study.h: one entry of a curvature study: the block of a layer, or of several layers jointly, of several
// matrices at once, as means over a growing number of examples. A block of more than `max_dense` weights is
// never formed: its diagonals, products and so eigenvalues are still exact.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "pruning/curvature/dense.h"
#include "pruning/curvature/lanczos.h"

namespace espalier {

class CurvatureStudy {
 public:
  struct Options {
    std::vector<CurvatureKind> kinds = {};
    LabelDraw labels = {};
    Index max_dense = 4096;
    /// Called with the number of examples that one matrix has just gone on by; may throw to stop the work.
    std::function<void(Index)> progress = {};
  };
  /// Model and examples must outlive the study.
  CurvatureStudy(const Model& model, const Examples& examples, std::vector<ParameterId> layers,
                 Options options);

  Index size() const { return columns_.back().end; }
  bool dense() const { return size() <= options_.max_dense; }
  /// Passes over the examples that extend_to() makes: kinds that are the same matrix share one.
  Index passes() const { return static_cast<Index>(sums_.size()); }
  /// Makes all matrices means over the first n examples; n never decreases.
  void extend_to(Index n);

  std::vector<double> diagonal(CurvatureKind kind) const;
  /// The block; only if dense(). Held until the next extend_to().
  const SquareMatrix& block(CurvatureKind kind);
  /// The same matrix as an operator: the block, or products over the examples.
  std::unique_ptr<CurvatureOperator> product(CurvatureKind kind);
  /// |H v - B v| / |H v| for a random v: B is the Hessian as this study has it (for one layer by the identity
  /// of mathematics.md section 2), H v a Hessian-vector product. NaN if H v is zero.
  double hessian_error(std::uint64_t seed);
  /// Bytes held at most, the examples' graphs aside.
  static double bytes(Index size, std::size_t kinds, Index max_dense);

 private:
  struct Sum;
  /// Within one layer the Hessian is the true Fisher; true: they share one sum.
  CurvatureKind stored(CurvatureKind kind) const;
  void extend(CurvatureKind kind, Sum& sum, Range range);

  const Model& model_;
  const Examples& examples_;
  std::vector<ParameterId> layers_;
  std::vector<Range> columns_;
  Options options_;
  std::map<CurvatureKind, std::shared_ptr<Sum>> sums_;
  Index reached_ = 0;
};

/// The matrix smoothed by a Gaussian of `sigma` entries along rows and columns, for pictures; near the edges
/// the kernel is cut off and normalised.
SquareMatrix smoothed(const SquareMatrix& matrix, double sigma);
/// Means over factor x factor entries (fewer at the end): a matrix small enough for a picture.
SquareMatrix reduced(const SquareMatrix& matrix, Index factor);

}  // namespace espalier
