// inverse.h: F^-1 for F = damp I + (1/N) sum_n g_n g_n', restricted to diagonal blocks. Only `dense` forms
// d x d matrices. Kinds differ in what they take for a block and in how they solve; pruning uses them
// through this interface alone.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "framework/config/fields.h"
#include "pruning/rows/gradient_rows.h"

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
  /// Throws Error(numeric) naming block and damp if a matrix is not positive definite, Error(config) if damp
  /// <= 0.
  virtual std::unique_ptr<FisherInverse> build(const GradientRows& rows, std::span<const Range> layers,
                                               double damp) const = 0;
  /// For trying many dampenings; by default a build() for each. `rows`, `layers` and this must outlive it.
  virtual std::unique_ptr<InverseFamily> family(const GradientRows& rows,
                                                std::span<const Range> layers) const;
  /// Whether `build` wants rows that carry Kronecker factors.
  virtual bool needs_kronecker() const { return false; }
  /// Whether build() on MaskedRows gives the inverse for the weights that remain (the joint update then takes
  /// one factorisation; otherwise it is solved for by conjugate gradients on [F^-1]_QQ).
  virtual bool fits_subsets() const { return true; }
  /// The blocks F is restricted to.
  virtual std::vector<Range> partition(std::span<const Range> layers) const = 0;
  /// Bytes the inverse will hold and need while it is built, beyond G.
  virtual double memory(Index rows, std::span<const Range> layers) const = 0;
};

/// Cuts every layer into consecutive runs of at most `size` weights; a block never spans two layers.
std::vector<Range> cut_into_blocks(std::span<const Range> layers, Index size);

/// G with the columns of a set replaced by zeros. Zeroed columns decouple from all others, so the inverse
/// built on it is, on the remaining set S, exactly (F_SS)^-1 of the joint update (mathematics.md section 5).
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

/// out[m] = sum_q G[m, q] v[q], over the columns `columns` of G; v is indexed from columns.begin.
void multiply_rows(const GradientRows& rows, Range columns, std::span<const double> v, std::span<double> out);
/// out[q] = sum_m G[m, q] u[m], for the columns `columns`; out is indexed from columns.begin.
void multiply_columns(const GradientRows& rows, Range columns, std::span<const double> u,
                      std::span<double> out);

}  // namespace espalier
