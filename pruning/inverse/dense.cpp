// dense.cpp: the paper's recursion, example by example, in float64 and with c x c matrices. Slow; it is the
// definition that the other inverses are compared with, and what `espalier explain` shows.
//   F_0^-1 = I / damp,   F_n^-1 = F_{n-1}^-1 - (F_{n-1}^-1 g)(F_{n-1}^-1 g)' / (N + g' F_{n-1}^-1 g)
#include "pruning/inverse/dense.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "framework/core/interrupt.h"
#include "pruning/inverse/inverse.h"

namespace espalier {

void sherman_morrison(std::span<double> inverse, std::span<const double> g, Index gradients) {
  const auto c = static_cast<Index>(g.size());
  std::vector<double> x(c);
  double denominator = static_cast<double>(gradients);
  for (Index p = 0; p < c; ++p) {
    double sum = 0;
    for (Index q = 0; q < c; ++q) sum += inverse[p * c + q] * g[q];
    x[p] = sum;
    denominator += g[p] * sum;
  }
  for (Index p = 0; p < c; ++p)
    for (Index q = 0; q < c; ++q) inverse[p * c + q] -= x[p] * x[q] / denominator;
}

namespace {

constexpr Index largest_block = 4096;

class DenseInverse final : public FisherInverse {
 public:
  DenseInverse(const GradientRows& rows, std::vector<Range> blocks, double damp)
      : size_(rows.cols()), blocks_(std::move(blocks)), diagonal_(static_cast<std::size_t>(size_)) {
    for (const Range block : blocks_) {
      const Index c = block.size(), n = rows.rows();
      std::vector<double> inverse(c * c, 0.0), g(n * c);
      for (Index q = 0; q < c; ++q) inverse[q * c + q] = 1 / damp;
      rows.load(block, g.data());
      for (Index m = 0; m < n; ++m) {
        stop_here();
        sherman_morrison(inverse, std::span(g).subspan(m * c, c), n);
      }
      for (Index q = 0; q < c; ++q) diagonal_[block.begin + q] = inverse[q * c + q];
      require_precise(block, inverse, g, damp);
      inverses_.push_back(std::move(inverse));
    }
  }
  Index size() const override { return size_; }
  std::span<const double> diagonal() const override { return diagonal_; }
  void apply(std::span<const double> v, std::span<double> out) const override {
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      const Index c = blocks_[b].size();
      const double* from = v.data() + blocks_[b].begin;
      for (Index p = 0; p < c; ++p) {
        double sum = 0;
        for (Index q = 0; q < c; ++q) sum += inverses_[b][p * c + q] * from[q];
        out[blocks_[b].begin + p] = sum;
      }
    }
  }

 private:
  /// |v - F F^-1 v| / |v| for a v of all signs: each step subtracts numbers of the size 1 / damp, and where damp is
  /// tiny nothing of the result is left.
  void require_precise(Range block, const std::vector<double>& inverse, const std::vector<double>& g,
                       double damp) const {
    constexpr double most = 1e-2;
    const Index c = block.size(), n = static_cast<Index>(g.size()) / c;
    std::vector<double> v(c), y(c, 0.0), back(c);
    for (Index q = 0; q < c; ++q) v[q] = q % 3 == 1 ? -1 : 1;
    double worst = 0;
    for (Index p = 0; p < c; ++p) {
      for (Index q = 0; q < c; ++q) y[p] += inverse[p * c + q] * v[q];
      if (!(inverse[p * c + p] > 0)) worst = std::numeric_limits<double>::infinity();
    }
    for (Index q = 0; q < c; ++q) back[q] = damp * y[q] - v[q];
    for (Index m = 0; m < n; ++m) {
      double sum = 0;
      for (Index q = 0; q < c; ++q) sum += g[m * c + q] * y[q];
      for (Index q = 0; q < c; ++q) back[q] += g[m * c + q] * sum / static_cast<double>(n);
    }
    double square = 0;
    for (const double x : back) square += x * x;
    worst = std::max(worst, std::sqrt(square / static_cast<double>(c)));
    if (!(worst <= most))
      fail(
          ExitCode::numeric,
          "prune.inverse: \"dense\" has lost its precision on weights {}..{}: F F^-1 v is {:.2g} of v away from "
          "v (at most {:g} is accepted). Raise prune.damp (now {:g}), or use \"block\" or \"layer\", which "
          "subtract nothing of that size",
          block.begin, block.end, worst, most, damp);
  }
  Index size_;
  std::vector<Range> blocks_;
  std::vector<double> diagonal_;
  std::vector<std::vector<double>> inverses_;
};

struct DenseSettings final : InverseSettings {
  int fisher_block_size = 0;
  void fields(Fields& f) override {
    f("fisher_block_size", fisher_block_size, "weights per block; 0: one block per layer",
      {.low = 0, .high = largest_block});
  }
  bool small_blocks() const override { return true; }
  std::vector<Range> partition(std::span<const Range> layers) const override {
    return fisher_block_size ? cut_into_blocks(layers, fisher_block_size)
                             : std::vector<Range>(layers.begin(), layers.end());
  }
  void check(std::span<const Range> layers, bool) const override {
    for (const Range b : partition(layers))
      if (b.size() > largest_block)
        fail(ExitCode::config,
             "prune.inverse: \"dense\" stores c x c matrices and a block has {} weights (at most {}); set "
             "fisher_block_size, or use \"block\", \"layer\" or \"full\", which give the same inverse",
             b.size(), largest_block);
  }
  std::unique_ptr<FisherInverse> build(const GradientRows& rows, std::span<const Range> layers,
                                       double damp) const override {
    if (!(damp > 0)) fail(ExitCode::config, "prune.damp is {:g}; it must be greater than 0", damp);
    check(layers, false);
    return std::make_unique<DenseInverse>(rows, partition(layers), damp);
  }
  double memory(Index rows, std::span<const Range> layers) const override {
    double bytes = 0;
    for (const Range b : partition(layers))
      bytes += 8.0 * static_cast<double>(b.size()) * static_cast<double>(b.size() + rows);
    return bytes;
  }
};

const bool dense_known = Registry<InverseSettings>::add<DenseSettings>(
    "dense", "the paper's rank-one recursion in float64: the reference, for small blocks");

}  // namespace
}  // namespace espalier
