// live_columns.h: the columns of a block that are not zero (or all, if few are), numbered anew. Pruned
// weights have zero columns and decouple from all others ([F^-1]_qq = 1/damp): at 90 % sparsity nine tenths
// of the work is not there.
#pragma once

#include <algorithm>
#include <numeric>
#include <span>
#include <vector>

#include "framework/kernels/scratch.h"
#include "pruning/rows/row_products.h"

namespace espalier {

class LiveColumns {
 public:
  LiveColumns(const GradientRows& rows, Range block) : rows_(rows), block_(block) {
    const std::vector<double> squares = column_squares(rows, block);
    for (std::size_t q = 0; q < squares.size(); ++q) {
      squares_ += squares[q];
      if (squares[q] != 0) live_.push_back(static_cast<Index>(q));  // NaN counts as live and is found later
    }
    // A few zero columns do no harm, and a block without gaps is loaded faster.
    if (!live_.empty() && live_.size() * 10 >= squares.size() * 9) {
      live_.resize(squares.size());
      std::iota(live_.begin(), live_.end(), Index{0});
    }
  }
  const GradientRows& rows() const { return rows_; }
  Range block() const { return block_; }
  Index size() const { return static_cast<Index>(live_.size()); }
  /// Place within the block of every live column.
  std::span<const Index> places() const { return live_; }
  /// Sum of all squares: the trace of G G'.
  double squares() const { return squares_; }

  /// out[r, j] = G[r, live column first + j].
  template <class T>
  void load(Index first, Index width, T* out) const {
    const Index* live = live_.data() + first;
    if (width > 0 && live[width - 1] - live[0] == width - 1)  // no gap
      return rows_.load({block_.begin + live[0], block_.begin + live[0] + width}, out);
    const Index n = rows_.rows();
    kernels::Scratch<T> g(n * panel);
    for (Index j = 0; j < width;) {
      const Index from = live[j], to = std::min(from + panel, block_.size());
      rows_.load({block_.begin + from, block_.begin + to}, g.data());
      Index end = j;
      while (end < width && live[end] < to) ++end;
      for (Index m = 0; m < n; ++m)
        for (Index i = j; i < end; ++i) out[m * width + i] = g[m * (to - from) + live[i] - from];
      j = end;
    }
  }

 private:
  static constexpr Index panel = 512;

  const GradientRows& rows_;
  Range block_;
  std::vector<Index> live_;
  double squares_ = 0;
};

}  // namespace espalier
