// Better sets than the top of the ranking: greedy elimination against eliminating by hand, and searches that
// never make the model's loss worse and find the best set of problems small enough to try them all.
#include "pruning/choice/search.h"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/support/pruning.h"

namespace espalier {
namespace {

struct Fixture {
  Fixture(Index n, Index d, std::uint64_t seed)
      : rows(n, d, random_values(static_cast<std::size_t>(n * d), seed)),
        kind(made<InverseSettings>("\"layer\"")),
        model{.w = random_values(static_cast<std::size_t>(d), seed + 1),
              .rows = &rows,
              .layers = {{0, d}},
              .pruned = std::vector<bool>(static_cast<std::size_t>(d), false),
              .damp = 1e-3,
              .kind = kind.get()} {}
  Choice lowest(const char* criterion, std::size_t k) const {
    const std::vector<double> s = saliency_of(criterion, model);
    std::vector<std::size_t> order(s.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return s[a] < s[b]; });
    Choice choice{std::vector<bool>(s.size(), false)};
    for (std::size_t i = 0; i < k; ++i) choice.removed[order[i]] = true;
    return choice;
  }
  double loss(const std::vector<bool>& removed) const { return loss_without(model, removed); }
  /// The least loss over all sets of k weights.
  double best(int k) const {
    const std::size_t d = model.w.size();
    double least = 1e300;
    for (std::uint32_t bits = 0; bits < (1U << d); ++bits) {
      if (__builtin_popcount(bits) != k) continue;
      std::vector<bool> set(d);
      for (std::size_t q = 0; q < d; ++q) set[q] = bits >> q & 1U;
      least = std::min(least, loss(set));
    }
    return least;
  }
  DenseRows rows;
  std::unique_ptr<InverseSettings> kind;
  QuadraticModel model;
};

TEST(Search, GreedySalienciesAreTheCostsOfEliminatingOneByOne) {
  const Fixture f(5, 9, 11);
  const std::vector<double> saliency = saliency_of("greedy", f.model);
  // By hand: after each removal F loses row and column, and
  // the remaining weights move to the constrained minimum.
  std::vector<bool> gone(9, false);
  std::vector<double> order_cost(9, 0.0);
  double before = 0;
  for (int step = 0; step < 9; ++step) {
    double least = 1e300;
    std::size_t next = 9;
    for (std::size_t q = 0; q < 9; ++q) {
      if (gone[q]) continue;
      std::vector<bool> set = gone;
      set[q] = true;
      const double loss = f.loss(set) - before;
      if (loss < least) least = loss, next = q;
    }
    gone[next] = true;
    before += least;
    order_cost[next] = least;
    EXPECT_GE(saliency[next], least * (1 - 1e-6)) << "a trace never falls below its costs";
  }
  std::vector<std::size_t> by_hand(9), by_saliency(9);
  std::iota(by_hand.begin(), by_hand.end(), 0);
  by_saliency = by_hand;
  std::stable_sort(by_saliency.begin(), by_saliency.end(),
                   [&](auto a, auto b) { return saliency[a] < saliency[b]; });
  // The order of elimination is the order of the saliencies.
  gone.assign(9, false);
  before = 0;
  for (const std::size_t q : by_saliency) {
    double least = 1e300;
    for (std::size_t other = 0; other < 9; ++other) {
      if (gone[other]) continue;
      std::vector<bool> set = gone;
      set[other] = true;
      least = std::min(least, f.loss(set) - before);
    }
    std::vector<bool> set = gone;
    set[q] = true;
    EXPECT_NEAR(f.loss(set) - before, least, 1e-9 + 1e-6 * least);
    gone = set;
    before += least;
  }
}

TEST(Search, ImprovesOnTheRankingAndOftenFindsTheBestSet) {
  for (const char* search :
       {R"({"type": "swaps", "rounds": 30, "share": 0.5})", R"({"type": "iht", "steps": 100})"}) {
    int improved = 0, optimal = 0;
    double gap_before = 0, gap_after = 0;
    constexpr int problems = 20;
    for (std::uint64_t seed = 0; seed < problems; ++seed) {
      const Fixture f(4, 10, 100 + 10 * seed);
      const Choice start = f.lowest("woodfisher", 5);
      const Choice chosen = made<SetSearch>(search)->improve(f.model, start, {});
      EXPECT_EQ(std::count(chosen.removed.begin(), chosen.removed.end(), true), 5);
      const double ranked = f.loss(start.removed), found = f.loss(chosen.removed);
      EXPECT_LE(found, ranked);
      const double best = f.best(5);
      EXPECT_GE(found, best * (1 - 1e-9));
      improved += found < ranked * (1 - 1e-9);
      optimal += found <= best * (1 + 1e-9);
      gap_before += ranked / best;
      gap_after += found / best;
    }
    EXPECT_GT(improved, 0) << search;
    EXPECT_LT(gap_after, gap_before) << search;
    RecordProperty(std::string(search).find("iht") == std::string::npos ? "swaps" : "iht",
                   fmt::format("improved {} of {}, optimal {}; loss over the best: {:.2f} -> {:.2f}",
                               improved, problems, optimal, gap_before / problems, gap_after / problems));
  }
}

TEST(Search, NeverRevivesAWeightOrEmptiesALayer) {
  Fixture f(4, 12, 77);
  f.model.pruned[3] = f.model.pruned[8] = true;
  f.model.w[3] = f.model.w[8] = 0;
  f.model.layers = {{0, 10}, {10, 12}};
  const SelectionSettings both_of_the_last{.min_kept_per_layer = 2};
  Choice start{std::vector<bool>(12, false)};
  for (const std::size_t q : {0, 1, 2, 3, 4, 8}) start.removed[q] = true;
  for (const char* search : {R"({"type": "swaps", "share": 0.9})", "\"iht\""}) {
    const std::vector<bool> found =
        made<SetSearch>(search)->improve(f.model, start, both_of_the_last).removed;
    EXPECT_TRUE(found[3] && found[8]) << search;
    EXPECT_FALSE(found[10] || found[11]) << search;
    EXPECT_EQ(std::count(found.begin(), found.end(), true), 6);
  }
}

}  // namespace
}  // namespace espalier
