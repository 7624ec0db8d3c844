// inverse.h: F^-1 for F = damp I + (1/N) sum_n g_n g_n', restricted to diagonal blocks. Only `dense` forms
// d x d matrices. Kinds differ in what they take for a block and in how they solve; pruning uses them
// through this interface alone.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "framework/config/fields.h"
#include "pruning/rows/row_products.h"

namespace espalier {

/// Receives [F^-1]_QQ of the set with this number.
using SubmatrixVisitor = std::function<void(std::size_t set, std::span<const double> submatrix)>;

class FisherInverse {
 public:
  virtual ~FisherInverse() = default;
  virtual Index size() const = 0;  ///< d
  /// [F^-1]_qq for every q, always > 0. Computed at the first call, which may be the larger part of the cost.
  virtual std::span<const double> diagonal() const = 0;
  /// out = F^-1 v; both have d values and may not overlap.
  virtual void apply(std::span<const double> v, std::span<double> out) const = 0;
  /// Column q of F^-1.
  void column(Index q, std::span<double> out) const;
  /// [F^-1]_QQ, row-major |Q| x |Q|, positive definite. By default one apply() per index.
  virtual std::vector<double> submatrix(std::span<const Index> indices) const;
  /// The same for many sets, handed to `visit` in any order, on the calling thread. By default one by one.
  virtual void submatrices(std::span<const std::vector<Index>> sets, const SubmatrixVisitor& visit) const;
};

/// Inverses of one matrix for many dampenings.
struct InverseFamily {
  virtual ~InverseFamily() = default;
  /// Says which dampenings will be asked for, so that they can share work. Others may be asked for too.
  virtual void prepare(std::span<const double> damps) { (void)damps; }
  virtual std::unique_ptr<FisherInverse> at(double damp) = 0;
  /// Eigenvalues of the undamped F other than zero, all blocks together, ascending;
  /// empty if they are not known.
  virtual std::vector<double> spectrum() const { return {}; }
};

/// Settings of one kind of inverse. `rows` must outlive the inverse.
/// `layers` are the column ranges of the layers.
struct InverseSettings {
  virtual ~InverseSettings() = default;
  virtual void fields(Fields& f) = 0;
  /// Throws Error(numeric) naming block and damp if a matrix
  /// is not positive definite, Error(config) if damp <= 0.
  virtual std::unique_ptr<FisherInverse> build(const GradientRows& rows, std::span<const Range> layers,
                                               double damp) const = 0;
  /// For trying many dampenings; by default a build() for each. `rows`, `layers` and this must outlive it.
  virtual std::unique_ptr<InverseFamily> family(const GradientRows& rows,
                                                std::span<const Range> layers) const;
  /// Whether `build` wants rows that carry Kronecker factors.
  virtual bool needs_kronecker() const { return false; }
  /// Whether weights are coupled: F^-1 has entries off its diagonal.
  virtual bool off_diagonal() const { return true; }
  /// Whether F falls into blocks no larger than a layer, whose c x c inverses may be asked for one by one.
  virtual bool small_blocks() const { return false; }
  /// Whether build() on MaskedRows gives the inverse for the weights that remain (the joint update then takes
  /// one factorisation; otherwise it is solved for by conjugate gradients on [F^-1]_QQ).
  virtual bool fits_subsets() const { return true; }
  /// The blocks F is restricted to.
  virtual std::vector<Range> partition(std::span<const Range> layers) const = 0;
  /// Throws Error(config) where build() (or, with `diagonal`, the diagonal) would refuse these layers.
  virtual void check(std::span<const Range> layers, bool diagonal) const {
    (void)layers;
    (void)diagonal;
  }
  /// Bytes the inverse will hold and need while it is built, beyond G.
  virtual double memory(Index rows, std::span<const Range> layers) const = 0;
};

/// Cuts every layer into consecutive runs of at most `size` weights; a block never spans two layers.
std::vector<Range> cut_into_blocks(std::span<const Range> layers, Index size);

}  // namespace espalier
