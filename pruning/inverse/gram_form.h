// gram_form.h: blocks with more live columns than gradients, by the Cholesky factor of the N x N matrix
//   K = N damp I + G G' = L L',     F^-1 = (I - G' K^-1 G) / damp.
// The form in float64 (gram_form.cpp) is the algebra; gram_block.cpp has what both forms make of the columns.
// Where gradients are float32 numbers, gram_form_single.cpp lets most of the work run at twice the rate and
// falls back on the first.
#pragma once

#include <span>
#include <vector>

#include "pruning/inverse/block_forms.h"

namespace espalier {

/// A block's columns of G, and what both forms make of them.
struct GramBlock {
  LiveColumns columns;
  double damp;
  Index n = columns.rows().rows();
  static constexpr Index panel = 256;         ///< columns at a time
  static constexpr Index small_block = 4096;  ///< columns that one thread takes as a whole

  double scale() const { return damp * static_cast<double>(n); }  ///< N damp
  /// Panels of at most `wide` columns, without those of layers whose share of G G' the rows know a short way
  /// to; that share is added to k [N, N].
  std::vector<Range> gram_panels(Index wide, double* k) const;
  /// G G' in, the factor L of K in the lower triangle out.
  /// Throws Error(numeric) if K is not positive definite.
  void factor(double* k) const;
  /// out[m, j] = G[m, list[j]].
  void load_listed(std::span<const Index> list, double* out) const;
  /// out = F^-1 v by the factor l, refined once: the difference loses digits when damp is small, and a
  /// residual against G itself brings them back.
  void apply(const double* l, std::span<const double> v, std::span<double> out) const;
};

/// All in float64.
class GramForm final : public BlockForm {
 public:
  /// `digits` of the gradients that are known: 1e10 of float64 numbers, 1e5 of float32 numbers.
  GramForm(LiveColumns columns, double damp, double digits);
  void diagonal(std::span<double> out) const override;
  /// [F^-1]_qq of the live columns `which` alone, at out[q].
  void diagonal_of(std::span<const Index> which, std::span<double> out) const;
  void apply(std::span<const double> v, std::span<double> out) const override;
  /// submatrices() of a few sets, on one thread.
  void few_submatrices(std::span<const std::vector<Index>> of, std::span<std::vector<double>> out) const {
    some_submatrices(of, out);
  }
  /// L, [N, N].
  void unpack(double* l) const { unpack_triangle(block_.n, factor_, l); }

 protected:
  void some_submatrices(std::span<const std::vector<Index>> of,
                        std::span<std::vector<double>> out) const override;

 private:
  double cancels() const;
  double without_column(const double* l, Index q) const;
  void without_columns(const double* l, const double* g, Index ldg, Index k, std::vector<double>& m) const;

  GramBlock block_;
  double digits_;
  std::vector<double> factor_;
};

/// For rows that are float32 numbers.
std::unique_ptr<BlockForm> make_single_gram_form(LiveColumns columns, double damp);

}  // namespace espalier
