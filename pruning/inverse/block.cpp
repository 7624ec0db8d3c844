// block.cpp: the inverse by Cholesky factors of small matrices, block by block. With N rows and c weights in
// a block it factors the smaller of
//   K = N damp I + G G'       (N x N, the Gram form)     F^-1 = (I - G' K^-1 G) / damp
//   F = damp I + G' G / N     (c x c, the primal form)
// and never forms a c x c matrix when c > N. "block", "layer" and "full" are this with different blocks.
#include <algorithm>
#include <cmath>

#include "framework/core/parallel.h"
#include "framework/kernels/gemm.h"
#include "pruning/inverse.h"

namespace espalier {
namespace {

using kernels::Transpose;
constexpr Index panel = 512;         // columns of G in float64 at a time
constexpr Index small_block = 8192;  // below, blocks are worked on side by side; above, one after another

class Block {
 public:
  Block(const GradientRows& rows, Range columns, double damp) : rows_(rows), columns_(columns), damp_(damp) {
    gram_ = rows.rows() < columns.size();
    if (gram_)
      build_gram();
    else
      build_primal();
    trace_ = 0;
    for (Index i = 0; i < order(); ++i) trace_ += factor_[at(i, i)];
    if (const int minor = kernels::cholesky(order(), factor_.data(), order()); minor != 0)
      fail(ExitCode::numeric,
           "pruning: the Fisher of weights {}..{} with damp {:g} is not positive definite in float64 (minor "
           "{} of {}); raise "
           "prune.damp",
           columns.begin, columns.end, damp, minor, order());
  }

  /// [F^-1]_qq of the block's weights.
  void diagonal(double* out) const {
    if (gram_)
      gram_diagonal(out);
    else
      primal_diagonal(out);
  }

  void apply(std::span<const double> v, std::span<double> out) const {
    solve(v, out);
    // One step of refinement: (v - G' y) / damp loses digits when damp is small, and a residual brings them
    // back.
    const auto c = static_cast<std::size_t>(columns_.size());
    std::vector<double> residual(c), correction(c), projected(static_cast<std::size_t>(rows_.rows()));
    multiply_rows(rows_, columns_, out, projected);
    multiply_columns(rows_, columns_, projected, residual);
    const double n = std::max<double>(1, static_cast<double>(rows_.rows()));
    for (std::size_t j = 0; j < c; ++j) residual[j] = v[j] - damp_ * out[j] - residual[j] / n;
    solve(residual, correction);
    for (std::size_t j = 0; j < c; ++j) out[j] += correction[j];
  }

 private:
  Index order() const { return gram_ ? rows_.rows() : columns_.size(); }
  std::size_t at(Index i, Index j) const { return static_cast<std::size_t>(i * order() + j); }
  double scale() const { return damp_ * static_cast<double>(rows_.rows()); }  // N damp

  void build_gram() {
    const Index n = rows_.rows();
    factor_.assign(static_cast<std::size_t>(n * n), 0.0);
    std::vector<double> g(static_cast<std::size_t>(n * panel));
    for (Index first = columns_.begin; first < columns_.end; first += panel) {
      const Index width = std::min(panel, columns_.end - first);
      rows_.load({first, first + width}, g.data());
      kernels::syrk(n, width, 1, g.data(), width, 1, factor_.data(), n);
    }
    for (Index i = 0; i < n; ++i) factor_[at(i, i)] += scale();
  }

  void build_primal() {
    const Index n = rows_.rows(), c = columns_.size();
    factor_.assign(static_cast<std::size_t>(c * c), 0.0);
    std::vector<double> g(static_cast<std::size_t>(n * c));
    rows_.load(columns_, g.data());
    if (n > 0)
      kernels::gemm(Transpose::yes, Transpose::no, c, c, n, 1 / static_cast<double>(n), g.data(), c, g.data(),
                    c, 0.0, factor_.data(), c);
    for (Index i = 0; i < c; ++i) factor_[at(i, i)] += damp_;
  }

  /// out = F^-1 v to the accuracy of the factor.
  void solve(std::span<const double> v, std::span<double> out) const {
    if (!gram_) {
      std::copy(v.begin(), v.end(), out.begin());
      solve_factor(out);
      return;
    }
    std::vector<double> y(static_cast<std::size_t>(rows_.rows()));
    multiply_rows(rows_, columns_, v, y);
    solve_factor(y);
    multiply_columns(rows_, columns_, y, out);
    for (std::size_t j = 0; j < out.size(); ++j) out[j] = (v[j] - out[j]) / damp_;
  }
  void solve_factor(std::span<double> x) const {
    if (order() == 0) return;  // no examples: F = damp I
    kernels::triangular_solve(Transpose::no, order(), 1, factor_.data(), order(), x.data(), 1);
    kernels::triangular_solve(Transpose::yes, order(), 1, factor_.data(), order(), x.data(), 1);
  }

  void gram_diagonal(double* out) const {
    const Index n = rows_.rows();
    if (n == 0) return void(std::fill_n(out, columns_.size(), 1 / damp_));
    // The error of 1 - |V_q|^2 is about eps * cond(K); where the difference itself is within 1e10 times that,
    // it is taken in a form that does not cancel. Since sum_q |V_q|^2 <= N, at most about N weights need it.
    const double cancels = std::clamp(2e-16 * 1e10 * trace_ / scale(), 1e-12, 1e-2);
    std::vector<double> v(static_cast<std::size_t>(n * panel)), g, offending;
    for (Index first = columns_.begin; first < columns_.end; first += panel) {
      const Index width = std::min(panel, columns_.end - first);
      rows_.load({first, first + width}, v.data());
      kernels::triangular_solve(Transpose::no, n, width, factor_.data(), n, v.data(), width);
      for (Index j = 0; j < width; ++j) {
        double share = 0;  // |V_q|^2
        for (Index m = 0; m < n; ++m)
          share += v[static_cast<std::size_t>(m * width + j)] * v[static_cast<std::size_t>(m * width + j)];
        double& d = out[first + j - columns_.begin];
        d = 1 - share > cancels ? (1 - share) / damp_ : without_column(first + j);
      }
    }
  }

  /// [F^-1]_qq = 1 / (damp (1 + t)), t = g_q' K_q^-1 g_q with K_q the matrix K without column q
  /// (Sherman-Morrison): only positive terms.
  double without_column(Index q) const {
    const Index n = rows_.rows();
    std::vector<double> g(static_cast<std::size_t>(n)), k(static_cast<std::size_t>(n * n));
    kernels::syrk(n, n, 1, factor_.data(), n, 0, k.data(), n);  // K = C C' again: few weights come here
    rows_.load({q, q + 1}, g.data());
    for (Index i = 0; i < n; ++i)
      for (Index j = 0; j < n; ++j)
        k[at(i, j)] -= g[static_cast<std::size_t>(i)] * g[static_cast<std::size_t>(j)];
    if (kernels::cholesky(n, k.data(), n) != 0)
      fail(ExitCode::numeric,
           "pruning: [F^-1]_qq of weight {} can't be computed at damp {:g}: the gradients' scale leaves no "
           "digits; "
           "raise prune.damp",
           q, damp_);
    kernels::triangular_solve(Transpose::no, n, 1, k.data(), n, g.data(), 1);
    double t = 0;
    for (const double x : g) t += x * x;
    return 1 / (damp_ * (1 + t));
  }

  void primal_diagonal(double* out) const {
    // F^-1 = L^-T L^-1, so [F^-1]_qq is the squared norm of column q of L^-1.
    const Index c = columns_.size();
    std::vector<double> inverse(static_cast<std::size_t>(c * c), 0.0);
    for (Index i = 0; i < c; ++i) inverse[at(i, i)] = 1;
    kernels::triangular_solve(Transpose::no, c, c, factor_.data(), c, inverse.data(), c);
    std::fill_n(out, c, 0.0);
    for (Index i = 0; i < c; ++i)
      for (Index q = 0; q <= i; ++q) out[q] += inverse[at(i, q)] * inverse[at(i, q)];
  }

  const GradientRows& rows_;
  Range columns_;
  double damp_, trace_ = 0;
  bool gram_ = false;
  std::vector<double> factor_;
};

class BlockInverse final : public FisherInverse {
 public:
  BlockInverse(const GradientRows& rows, std::vector<Range> blocks, double damp)
      : size_(rows.cols()), ranges_(std::move(blocks)), blocks_(ranges_.size()) {
    for_blocks([&](std::size_t b) { blocks_[b] = std::make_unique<Block>(rows, ranges_[b], damp); });
  }
  Index size() const override { return size_; }
  std::span<const double> diagonal() const override {
    if (diagonal_.empty()) {
      diagonal_.resize(static_cast<std::size_t>(size_));
      for_blocks([&](std::size_t b) { blocks_[b]->diagonal(diagonal_.data() + ranges_[b].begin); });
    }
    return diagonal_;
  }
  void apply(std::span<const double> v, std::span<double> out) const override {
    for_blocks([&](std::size_t b) {
      const auto begin = static_cast<std::size_t>(ranges_[b].begin),
                 width = static_cast<std::size_t>(ranges_[b].size());
      blocks_[b]->apply(v.subspan(begin, width), out.subspan(begin, width));
    });
  }

 private:
  template <class Fn>
  void for_blocks(Fn fn) const {
    const bool side_by_side =
        std::all_of(ranges_.begin(), ranges_.end(), [](Range r) { return r.size() <= small_block; });
    if (!side_by_side) {
      for (std::size_t b = 0; b < ranges_.size(); ++b) fn(b);
      return;
    }
    parallel_for(static_cast<Index>(ranges_.size()), 1, [&](Range r) {
      for (Index b = r.begin; b < r.end; ++b) fn(static_cast<std::size_t>(b));
    });
  }
  Index size_;
  std::vector<Range> ranges_;
  std::vector<std::unique_ptr<Block>> blocks_;
  mutable std::vector<double> diagonal_;
};

struct BlockwiseSettings : InverseSettings {
  std::unique_ptr<FisherInverse> build(const GradientRows& rows, std::span<const Range> layers,
                                       double damp) const override {
    if (!(damp > 0)) fail(ExitCode::config, "prune.damp is {:g}; it must be greater than 0", damp);
    return std::make_unique<BlockInverse>(rows, partition(layers), damp);
  }
  double memory(Index rows, std::span<const Range> layers) const override {
    double bytes = 0, largest = 0;
    for (const Range b : partition(layers)) {
      const auto order = static_cast<double>(std::min(rows, b.size()));
      bytes += 8 * order * order;
      largest = std::max(largest, 8 * static_cast<double>(rows * std::min(b.size(), panel)));
      if (b.size() <= rows)
        largest =
            std::max(largest, 8.0 * static_cast<double>(b.size()) * static_cast<double>(rows + b.size()));
    }
    return bytes + 2 * largest;
  }
};

struct FixedBlocks final : BlockwiseSettings {
  int fisher_block_size = 1000;
  void fields(Fields& f) override {
    f("fisher_block_size", fisher_block_size,
      "weights per block (the paper's chunk size); blocks never span layers", {.low = 1});
  }
  std::vector<Range> partition(std::span<const Range> layers) const override {
    return cut_into_blocks(layers, fisher_block_size);
  }
};
struct LayerBlocks final : BlockwiseSettings {
  void fields(Fields&) override {}
  std::vector<Range> partition(std::span<const Range> layers) const override {
    return {layers.begin(), layers.end()};
  }
};
struct FullBlock final : BlockwiseSettings {
  void fields(Fields&) override {}
  std::vector<Range> partition(std::span<const Range> layers) const override {
    return layers.empty() ? std::vector<Range>()
                          : std::vector<Range>{{layers.front().begin, layers.back().end}};
  }
};

const bool known = Registry<InverseSettings>::add<FixedBlocks>(
                       "block", "blocks of at most fisher_block_size consecutive weights") &&
                   Registry<InverseSettings>::add<LayerBlocks>("layer", "one block per layer") &&
                   Registry<InverseSettings>::add<FullBlock>(
                       "full", "one block over all weights; exact, without a d x d matrix");

}  // namespace
}  // namespace espalier
