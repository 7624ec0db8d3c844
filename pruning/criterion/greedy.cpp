// greedy.cpp: exact elimination, one weight after another, within each block of F (Hassibi & Stork 1993
// carried to the end; Frantar & Alistarh 2022 for layers). The saliency of a weight is the loss its removal
// costs *after* those before it have gone and the rest of its block has been updated. Ranking these traces
// over all blocks chooses the set; update "joint" then gives exactly the weights that elimination leads to.
// O(c^3) a block of c weights, c x c values each.
#include <algorithm>
#include <limits>
#include <numeric>

#include "framework/core/interrupt.h"
#include "framework/core/parallel.h"
#include "pruning/criterion/criterion.h"

namespace espalier {
namespace {

constexpr Index largest_block = 4096;

/// Saliencies of one block; `inverse` is its F^-1, `r` its weights less the gradient step.
void eliminate(std::vector<double> inverse, std::vector<double> r, std::vector<bool> gone,
               std::span<double> saliency) {
  const std::size_t c = r.size();
  double least = 0;  // a trace never falls, so that the lowest of a block are the first to go
  for (std::size_t left = static_cast<std::size_t>(std::count(gone.begin(), gone.end(), false)); left > 0;
       --left) {
    stop_here();
    std::size_t best = c;
    double best_cost = std::numeric_limits<double>::infinity();
    for (std::size_t q = 0; q < c; ++q) {
      if (gone[q]) continue;
      const double cost = r[q] * r[q] / (2 * inverse[q * c + q]);
      if (cost < best_cost || best == c) best_cost = cost, best = q;
    }
    least = std::max(best_cost, least * (1 + 1e-14));
    saliency[best] = least;
    gone[best] = true;
    const double pivot = inverse[best * c + best];
    const double* row = inverse.data() + best * c;
    for (std::size_t q = 0; q < c; ++q)
      if (!gone[q]) r[q] -= row[q] * r[best] / pivot;
    for (std::size_t p = 0; p < c; ++p) {
      if (gone[p]) continue;
      const double factor = inverse[p * c + best] / pivot;
      double* to = inverse.data() + p * c;
      for (std::size_t q = 0; q < c; ++q) to[q] -= factor * row[q];
    }
  }
}

struct Greedy final : Criterion {
  void fields(Fields&) override {}
  bool needs_inverse() const override { return true; }
  bool needs_small_blocks() const override { return true; }
  void check(std::span<const Range> blocks) const override {
    for (const Range block : blocks)
      if (block.size() > largest_block)
        fail(ExitCode::config,
             "prune.criterion \"greedy\" stores c x c matrices and a block has {} weights (at most {}); "
             "use inverse \"block\" with a smaller fisher_block_size",
             block.size(), largest_block);
  }
  void saliency(const QuadraticModel& m, std::span<double> out) const override {
    const std::vector<Range> blocks = m.blocks();
    check(blocks);
    const FisherInverse& inverse = m.inverse();
    parallel_for(static_cast<Index>(blocks.size()), 1, [&](Range chunk) {
      for (Index b = chunk.begin; b < chunk.end; ++b) {
        std::vector<Index> all(blocks[b].size());
        std::iota(all.begin(), all.end(), blocks[b].begin);
        std::vector<double> r;
        std::vector<bool> gone;
        for (const Index q : all) {
          r.push_back(m.rest(q));
          gone.push_back(m.was_pruned(q));
        }
        eliminate(inverse.submatrix(all), std::move(r), std::move(gone),
                  out.subspan(blocks[b].begin, all.size()));
      }
    });
  }
};

const bool greedy_known = Registry<Criterion>::add<Greedy>(
    "greedy",
    "cost of each weight when the weights of its block are eliminated one after another; best with joint");

}  // namespace
}  // namespace espalier
