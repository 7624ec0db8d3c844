// block.cpp: the inverse block by block, each in the form that is cheaper (block_forms.h). "block", "layer"
// and "full" are this with different blocks.
#include <algorithm>
#include <cmath>

#include "framework/core/parallel.h"
#include "pruning/inverse/block_forms.h"
#include "pruning/inverse/inverse.h"
#include "pruning/inverse/spectral.h"

namespace espalier {

void fail_not_positive_definite(const LiveColumns& columns, double damp, int minor, Index order) {
  fail(ExitCode::numeric,
       "pruning: the Fisher of weights {}..{} with damp {:g} is not "
       "positive definite in float64 (minor {} of {}); raise prune.damp",
       columns.block().begin, columns.block().end, damp, minor, order);
}

std::vector<std::vector<double>> BlockForm::submatrices(std::span<const std::vector<Index>> sets) const {
  // Sets are taken together as long as they have few columns: one triangular solve for all of them.
  constexpr std::size_t columns_at_once = 256;
  std::vector<std::vector<double>> result(sets.size());
  std::vector<std::pair<std::size_t, std::size_t>> batches;
  for (std::size_t first = 0, i = 0, columns = 0; i <= sets.size(); ++i) {
    if (i > first && (i == sets.size() || columns + sets[i].size() > columns_at_once)) {
      batches.emplace_back(first, i);
      first = i;
      columns = 0;
    }
    if (i < sets.size()) columns += sets[i].size();
  }
  parallel_for(static_cast<Index>(batches.size()), 1, [&](Range r) {
    for (Index b = r.begin; b < r.end; ++b) {
      const auto [first, last] = batches[b];
      some_submatrices(sets.subspan(first, last - first), std::span(result).subspan(first, last - first));
    }
  });
  return result;
}

namespace {

// Up to here, blocks are worked on side by side; above, one after another.
constexpr Index small_block = 4096;

/// One block of F. Weights whose gradients are all zero have [F^-1]_qq = 1 / damp and are coupled to nothing.
class Block {
 public:
  Block(const GradientRows& rows, Range range, double damp) : damp_(damp) {
    LiveColumns columns(rows, range);
    if (!std::isfinite(columns.squares()))
      fail(ExitCode::numeric,
           "pruning: gradients of weights {}..{} are not finite (or their squares are too large "
           "for float64); the loss may have diverged: check the network, lower the learning rate",
           range.begin, range.end);
    live_.assign(columns.places().begin(), columns.places().end());
    if (live_.empty()) return;
    form_ = rows.rows() < columns.size() ? make_gram_form(std::move(columns), damp)
                                         : make_primal_form(std::move(columns), damp);
  }
  void diagonal(std::span<double> out) const {
    std::fill(out.begin(), out.end(), 1 / damp_);
    if (!form_) return;
    std::vector<double> live(live_.size());
    form_->diagonal(live);
    for (std::size_t j = 0; j < live.size(); ++j) out[live_[j]] = live[j];
  }
  void apply(std::span<const double> v, std::span<double> out) const {
    for (std::size_t q = 0; q < out.size(); ++q) out[q] = v[q] / damp_;
    if (!form_) return;
    std::vector<double> from(live_.size()), to(live_.size());
    for (std::size_t j = 0; j < live_.size(); ++j) from[j] = v[live_[j]];
    form_->apply(from, to);
    for (std::size_t j = 0; j < live_.size(); ++j) out[live_[j]] = to[j];
  }
  /// `sets` are places within the block.
  std::vector<std::vector<double>> submatrices(std::span<const std::vector<Index>> sets) const {
    std::vector<std::vector<Index>> live(sets.size()), where(sets.size());
    for (std::size_t i = 0; i < sets.size(); ++i)
      for (std::size_t k = 0; k < sets[i].size(); ++k) {
        const auto found = std::lower_bound(live_.begin(), live_.end(), sets[i][k]);
        if (found == live_.end() || *found != sets[i][k]) continue;
        live[i].push_back(found - live_.begin());
        where[i].push_back(static_cast<Index>(k));
      }
    const auto found = form_ ? form_->submatrices(live) : std::vector<std::vector<double>>(sets.size());
    std::vector<std::vector<double>> result(sets.size());
    for (std::size_t i = 0; i < sets.size(); ++i) {
      const std::size_t k = sets[i].size(), l = live[i].size();
      result[i].assign(k * k, 0.0);
      for (std::size_t q = 0; q < k; ++q) result[i][q * k + q] = 1 / damp_;
      for (std::size_t a = 0; a < l; ++a)
        for (std::size_t b = 0; b < l; ++b)
          result[i][static_cast<std::size_t>(where[i][a]) * k + static_cast<std::size_t>(where[i][b])] =
              found[i][a * l + b];
    }
    return result;
  }

 private:
  double damp_;
  std::vector<Index> live_;  // their places within the block
  std::unique_ptr<BlockForm> form_;
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
      diagonal_.resize(size_);
      for_blocks([&](std::size_t b) {
        blocks_[b]->diagonal(std::span(diagonal_).subspan(ranges_[b].begin, ranges_[b].size()));
      });
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

  std::vector<double> submatrix(std::span<const Index> indices) const override {
    std::vector<double> result;
    const std::vector<Index> set(indices.begin(), indices.end());
    submatrices(std::span(&set, 1),
                [&](std::size_t, std::span<const double> m) { result.assign(m.begin(), m.end()); });
    return result;
  }
  void submatrices(std::span<const std::vector<Index>> sets, const SubmatrixVisitor& visit) const override {
    // Every set falls apart into its blocks' parts, which are not coupled.
    struct Part {
      std::size_t set;
      std::vector<std::size_t> where;
    };
    std::vector<std::vector<Part>> parts(ranges_.size());
    std::vector<std::vector<std::vector<Index>>> members(ranges_.size());
    for (std::size_t i = 0; i < sets.size(); ++i)
      for (std::size_t k = 0; k < sets[i].size(); ++k) {
        const auto b = static_cast<std::size_t>(std::upper_bound(ranges_.begin(), ranges_.end(), sets[i][k],
                                                                 [](Index q, Range r) { return q < r.end; }) -
                                                ranges_.begin());
        if (parts[b].empty() || parts[b].back().set != i) {
          parts[b].push_back({i, {}});
          members[b].emplace_back();
        }
        parts[b].back().where.push_back(k);
        members[b].back().push_back(sets[i][k] - ranges_[b].begin);
      }
    std::vector<std::vector<double>> result(sets.size());
    for (std::size_t i = 0; i < sets.size(); ++i) result[i].assign(sets[i].size() * sets[i].size(), 0.0);
    for (std::size_t b = 0; b < parts.size(); ++b) {
      if (parts[b].empty()) continue;
      const auto found = blocks_[b]->submatrices(members[b]);
      for (std::size_t p = 0; p < parts[b].size(); ++p) {
        const std::vector<std::size_t>& where = parts[b][p].where;
        const std::size_t width = sets[parts[b][p].set].size();
        for (std::size_t x = 0; x < where.size(); ++x)
          for (std::size_t y = 0; y < where.size(); ++y)
            result[parts[b][p].set][where[x] * width + where[y]] = found[p][x * where.size() + y];
      }
    }
    for (std::size_t i = 0; i < sets.size(); ++i) visit(i, result[i]);
  }

 private:
  template <class Fn>
  void for_blocks(Fn fn) const {
    std::vector<std::size_t> small;
    for (std::size_t b = 0; b < ranges_.size(); ++b) {
      if (ranges_[b].size() <= small_block)
        small.push_back(b);
      else
        fn(b);
    }
    parallel_for(static_cast<Index>(small.size()), 1, [&](Range r) {
      for (Index i = r.begin; i < r.end; ++i) fn(small[i]);
    });
  }
  Index size_;
  std::vector<Range> ranges_;
  std::vector<std::unique_ptr<Block>> blocks_;
  mutable std::vector<double> diagonal_;
};

struct BlockwiseSettings : InverseSettings {
  bool small_blocks() const override { return true; }
  std::unique_ptr<FisherInverse> build(const GradientRows& rows, std::span<const Range> layers,
                                       double damp) const override {
    if (!(damp > 0)) fail(ExitCode::config, "prune.damp is {:g}; it must be greater than 0", damp);
    return std::make_unique<BlockInverse>(rows, partition(layers), damp);
  }
  std::unique_ptr<InverseFamily> family(const GradientRows& rows,
                                        std::span<const Range> layers) const override {
    return spectral_family(rows, partition(layers));
  }
  double memory(Index rows, std::span<const Range> layers) const override {
    // Held: a packed triangle a block, in float64 at worst. While working: two square matrices and a copy of
    // the block (or of panels of it) for each of two threads, or the partial sums of one large block.
    double held = 0, work = 0;
    const auto n = static_cast<double>(rows);
    for (const Range b : partition(layers)) {
      const auto c = static_cast<double>(b.size()), order = std::min(n, c);
      held += 4 * order * order + 16 * c;
      const bool small = b.size() <= small_block;
      work = std::max(work, small ? 2 * (16 * order * order + (c <= n ? 16 : 8) * n * c)
                                  : 72 * order * order + 16 * n * 1024);
    }
    return held + work;
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
  bool small_blocks() const override { return false; }
  std::vector<Range> partition(std::span<const Range> layers) const override {
    return layers.empty() ? std::vector<Range>()
                          : std::vector<Range>{{layers.front().begin, layers.back().end}};
  }
};

const bool block_known = Registry<InverseSettings>::add<FixedBlocks>(
                             "block", "blocks of at most fisher_block_size consecutive weights") &&
                         Registry<InverseSettings>::add<LayerBlocks>("layer", "one block per layer") &&
                         Registry<InverseSettings>::add<FullBlock>(
                             "full", "one block over all weights; exact, without a d x d matrix");

}  // namespace
}  // namespace espalier
