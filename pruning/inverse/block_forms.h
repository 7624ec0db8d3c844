// block_forms.h: two ways to invert one block of F, by the Cholesky factor of the smaller of
//   K = N damp I + G G'       (N x N, the Gram form)     F^-1 = (I - G' K^-1 G) / damp
//   F = damp I + G' G / N     (c x c, the primal form)
// over the block's live columns. A c x c matrix is never formed when c > N.
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "pruning/inverse/live_columns.h"

namespace espalier {

class BlockForm {
 public:
  virtual ~BlockForm() = default;
  /// out[j] = [F^-1]_jj, v and out over the live columns.
  virtual void diagonal(std::span<double> out) const = 0;
  virtual void apply(std::span<const double> v, std::span<double> out) const = 0;
  /// [F^-1]_QQ of each of the sets of live columns, in the order of the sets.
  std::vector<std::vector<double>> submatrices(std::span<const std::vector<Index>> sets) const;

 protected:
  /// The same for a few sets at once, on one thread.
  virtual void some_submatrices(std::span<const std::vector<Index>> of,
                                std::span<std::vector<double>> out) const = 0;
};

/// Throw Error(numeric) if the matrix is not positive definite.
std::unique_ptr<BlockForm> make_gram_form(LiveColumns columns, double damp);
std::unique_ptr<BlockForm> make_primal_form(LiveColumns columns, double damp);

/// The sets' columns one after another.
inline std::vector<Index> columns_of(std::span<const std::vector<Index>> sets) {
  std::vector<Index> all;
  for (const std::vector<Index>& set : sets) all.insert(all.end(), set.begin(), set.end());
  return all;
}

/// The lower triangle of a [n,n] matrix, row after row.
template <class T>
std::vector<T> packed_triangle(Index n, const double* a) {
  std::vector<T> packed(n * (n + 1) / 2);
  T* to = packed.data();
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j <= i; ++j) *to++ = static_cast<T>(a[i * n + j]);
  return packed;
}
/// And back, zeros above.
template <class T>
void unpack_triangle(Index n, const std::vector<T>& packed, double* a) {
  const T* from = packed.data();
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j <= i; ++j) a[i * n + j] = static_cast<double>(*from++);
    std::fill(a + i * n + i + 1, a + (i + 1) * n, 0.0);
  }
}

[[noreturn]] void fail_not_positive_definite(const LiveColumns& columns, double damp, int minor, Index order);

}  // namespace espalier
