// Better sets than the top of the ranking: greedy elimination against eliminating by hand, and searches that
// never make the model's loss worse and find the best set of problems small enough to try them all.
#include "pruning/choice/search.h"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/support/pruning.h"

namespace espalier {
namespace {

struct Fixture {
  Fixture(Index n, Index d, std::uint64_t seed, double damp_ = 1e-3)
      : damp(damp_),
        rows(n, d, random_values(static_cast<std::size_t>(n * d), seed)),
        w(random_values(static_cast<std::size_t>(d), seed + 1)),
        all{{0, d}},
        layer_of(static_cast<std::size_t>(d), 0),
        kind(made<InverseSettings>("\"layer\"")),
        inverse(kind->build(rows, all, damp)),
        pruned(static_cast<std::size_t>(d), false) {}
  PruneState state() const {
    return {.w = w, .rows = &rows, .inverse = inverse.get(), .blocks = all, .pruned = &pruned};
  }
  SearchProblem problem() const {
    return {state(), {.inverse = kind.get(), .layers = all, .damp = damp}, all, layer_of, min_kept};
  }
  std::vector<bool> lowest(const char* criterion, std::size_t k) const {
    std::vector<double> s(w.size());
    made<Criterion>(std::string("\"") + criterion + "\"")->score(state(), s);
    std::vector<std::size_t> order(w.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return s[a] < s[b]; });
    std::vector<bool> set(w.size(), false);
    for (std::size_t i = 0; i < k; ++i) set[order[i]] = true;
    return set;
  }
  /// The least loss over all sets of k weights.
  double best(int k) const {
    double least = 1e300;
    for (std::uint32_t bits = 0; bits < (1U << w.size()); ++bits) {
      if (__builtin_popcount(bits) != k) continue;
      std::vector<bool> set(w.size());
      for (std::size_t q = 0; q < w.size(); ++q) set[q] = bits >> q & 1U;
      least = std::min(least, evaluate_set(problem(), set).objective);
    }
    return least;
  }
  double damp;
  DenseRows rows;
  std::vector<double> w;
  std::vector<Range> all;
  std::vector<int> layer_of;
  std::vector<Index> min_kept{1};
  std::unique_ptr<InverseSettings> kind;
  std::unique_ptr<FisherInverse> inverse;
  std::vector<bool> pruned;
};

TEST(Search, GreedyScoresAreTheCostsOfEliminatingOneByOne) {
  const Fixture f(5, 9, 11);
  std::vector<double> scores(9);
  made<Criterion>("\"greedy\"")->score(f.state(), scores);
  // By hand: after each removal F loses row and column,
  // and the remaining weights move to the constrained minimum.
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
      const double loss = evaluate_set(f.problem(), set).objective - before;
      if (loss < least) least = loss, next = q;
    }
    gone[next] = true;
    before += least;
    order_cost[next] = least;
    EXPECT_GE(scores[next], least * (1 - 1e-6)) << "a trace never falls below its costs";
  }
  std::vector<std::size_t> by_hand(9), by_score(9);
  std::iota(by_hand.begin(), by_hand.end(), 0);
  by_score = by_hand;
  std::stable_sort(by_score.begin(), by_score.end(), [&](auto a, auto b) { return scores[a] < scores[b]; });
  // The order of elimination is the order of the scores.
  gone.assign(9, false);
  before = 0;
  for (const std::size_t q : by_score) {
    double least = 1e300;
    for (std::size_t other = 0; other < 9; ++other) {
      if (gone[other]) continue;
      std::vector<bool> set = gone;
      set[other] = true;
      least = std::min(least, evaluate_set(f.problem(), set).objective - before);
    }
    std::vector<bool> set = gone;
    set[q] = true;
    EXPECT_NEAR(evaluate_set(f.problem(), set).objective - before, least, 1e-9 + 1e-6 * least);
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
      const SearchPoint start = evaluate_set(f.problem(), f.lowest("woodfisher", 5));
      const SearchPoint found = made<SetSearch>(search)->improve(f.problem(), start);
      EXPECT_LE(found.objective, start.objective);
      EXPECT_EQ(std::count(found.removed.begin(), found.removed.end(), true), 5);
      const double best = f.best(5);
      EXPECT_GE(found.objective, best * (1 - 1e-9));
      improved += found.objective < start.objective * (1 - 1e-9);
      optimal += found.objective <= best * (1 + 1e-9);
      gap_before += start.objective / best;
      gap_after += found.objective / best;
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
  f.pruned[3] = f.pruned[8] = true;
  f.w[3] = f.w[8] = 0;
  f.layer_of.assign(12, 0);
  for (std::size_t q = 10; q < 12; ++q) f.layer_of[q] = 1;
  f.min_kept = {1, 2};
  std::vector<bool> start(12, false);
  for (const std::size_t q : {0, 1, 2, 3, 4, 8}) start[q] = true;
  for (const char* search : {R"({"type": "swaps", "share": 0.9})", "\"iht\""}) {
    const SearchPoint found = made<SetSearch>(search)->improve(f.problem(), evaluate_set(f.problem(), start));
    EXPECT_TRUE(found.removed[3] && found.removed[8]) << search;
    EXPECT_FALSE(found.removed[10] || found.removed[11]) << search;
    EXPECT_EQ(std::count(found.removed.begin(), found.removed.end(), true), 6);
  }
}

}  // namespace
}  // namespace espalier
