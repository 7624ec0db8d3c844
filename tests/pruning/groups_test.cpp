// Sets of weights that leave together: their members, their cost against the constrained minimum solved
// densely, the best choice within N:M against all choices, and the counts that selection ends on.
#include "pruning/choice/groups.h"

#include <gtest/gtest.h>

#include <numeric>

#include "pruning/choice/candidates.h"
#include "pruning/choice/flops.h"
#include "tests/support/pruning.h"

namespace espalier {
namespace {

struct GroupProblem {
  explicit GroupProblem(Index n = 6, double damp_ = 0.01)
      : damp(damp_),
        rows(n, 48, random_values(static_cast<std::size_t>(n * 48), 5)),
        w(random_values(48, 6)),
        layers{{.name = "a", .columns = {0, 32}, .shape = {4, 1, 1, 8}, .macs_per_weight = 100},
               {.name = "b", .columns = {32, 48}, .shape = {2, 8}, .macs_per_weight = 1}},
        columns{{0, 32}, {32, 48}},
        kind(made<InverseSettings>("\"layer\"")) {}
  QuadraticModel model() const {
    return {.w = w, .rows = &rows, .layers = columns, .damp = damp, .kind = kind.get()};
  }
  std::vector<Candidate> candidates(const std::string& criterion, const char* group) const {
    const QuadraticModel m = model();
    return group_candidates(m, *made<Criterion>("\"" + criterion + "\""), saliency_of(criterion, m),
                            *made<GroupSettings>(group), layers);
  }
  /// Loss of removing a set, everything else free: the joint update's model loss with the dampened F.
  double cost(const std::vector<Index>& set) const {
    Choice choice{std::vector<bool>(48, false)};
    for (const Index q : set) choice.removed[q] = true;
    const auto delta = compensate(model(), choice, UpdateMode::joint);
    double loss = 0;  // layer by layer, as the inverse
    const std::vector<double> zero(48, 0.0);
    for (const Range layer : columns) loss += predict_range(rows, zero, delta, damp, layer).damped_change();
    return loss;
  }
  double damp;
  DenseRows rows;
  std::vector<double> w;
  std::vector<LayerView> layers;
  std::vector<Range> columns;
  std::unique_ptr<InverseSettings> kind;
};

TEST(Groups, MembersAreRunsOfInputsOutputsAndChannels) {
  const GroupProblem p;
  const auto sets = [&](const char* json) { return made<GroupSettings>(json)->sets(p.layers[1]); };
  EXPECT_EQ(sets(R"({"type": "block", "size": 4})")[1], (std::vector<Index>{36, 37, 38, 39}));
  EXPECT_EQ(sets("\"filter\"")[1], (std::vector<Index>{40, 41, 42, 43, 44, 45, 46, 47}));
  EXPECT_EQ(sets("\"channel\"")[3], (std::vector<Index>{35, 43}));
  EXPECT_EQ(sets(R"({"type": "n_of_m", "n": 2, "m": 8})").size(), 2U);
}

TEST(Groups, ALayerThatDoesNotDivideIsNamed) {
  const LayerView first{.name = "conv1", .columns = {0, 27}, .shape = {1, 3, 3, 3}};
  try {
    made<GroupSettings>("\"n_of_m\"")->sets(first);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::config);
    EXPECT_NE(std::string(e.what()).find("conv1"), std::string::npos) << e.what();
  }
}

TEST(Groups, ASetsCostIsTheConstrainedMinimum) {
  for (const double damp : {1e-8, 1e-4, 1.0, 100.0})
    for (const Index n : {0, 1, 6, 60}) {
      SCOPED_TRACE(fmt::format("damp {} N {}", damp, n));
      const GroupProblem p(n, damp);
      for (const char* group : {R"({"type": "block", "size": 4})", "\"filter\"", "\"channel\""})
        for (const Candidate& c : p.candidates("woodfisher", group)) {
          const double expected = p.cost(c.members);
          // The joint update reaches its minimum to 1e-7 where 1e-8 leaves few digits;
          // the cost itself is exact.
          ASSERT_NEAR(c.cost, expected, 1e-6 * expected) << group;
          ASSERT_GT(c.cost, 0);
        }
    }
}

TEST(Groups, NOfMTakesTheBestOfAllChoices) {
  const GroupProblem p;
  for (const Candidate& c : p.candidates("woodfisher", "\"n_of_m\"")) {
    ASSERT_EQ(c.members.size(), 2U);
    const Index first = c.members[0] / 4 * 4;
    double best = 1e300;
    std::vector<Index> chosen;
    for (Index a = first; a < first + 4; ++a)
      for (Index b = a + 1; b < first + 4; ++b)
        if (const double cost = p.cost({a, b}); cost < best) best = cost, chosen = {a, b};
    EXPECT_EQ(c.members, chosen);
    EXPECT_NEAR(c.cost, best, 1e-8 * best);
  }
}

TEST(Groups, MagnitudeSumsItsMembers) {
  const GroupProblem p;
  for (const Candidate& c : p.candidates("magnitude", "\"filter\"")) {
    double sum = 0;
    for (const Index q : c.members) sum += std::abs(p.w[q]);
    EXPECT_DOUBLE_EQ(c.cost, sum);
  }
}

TEST(Groups, TheCheapestSetsLeaveWholeAndTheCountIsMet) {
  const GroupProblem p;
  const std::vector<bool> none(48, false);
  for (const char* group : {R"({"type": "block", "size": 4})", "\"n_of_m\""}) {
    const auto candidates = p.candidates("woodfisher", group);
    const Choice choice = select_groups(candidates, none, 0.5, p.layers, {});
    EXPECT_EQ(std::count(choice.removed.begin(), choice.removed.end(), true), 24);
    for (const Candidate& c : candidates) {
      const auto out =
          std::count_if(c.members.begin(), c.members.end(), [&](Index q) { return choice.removed[q]; });
      EXPECT_TRUE(out == 0 || out == static_cast<long>(c.members.size())) << "a set is not torn apart";
    }
  }
  const Choice pattern = select_groups(p.candidates("woodfisher", "\"n_of_m\""), none, 0.5, p.layers, {});
  for (std::size_t first = 0; first < 48; first += 4)
    EXPECT_EQ(std::count(pattern.removed.begin() + static_cast<long>(first),
                         pattern.removed.begin() + static_cast<long>(first) + 4, true),
              2)
        << "2:4 everywhere";
}

TEST(Groups, AFilterMoreOnlyIfItBringsTheCountCloser) {
  const GroupProblem p;
  const std::vector<bool> none(48, false);
  const auto removed = [&](double sparsity) {
    const Choice c = select_groups(p.candidates("woodfisher", "\"filter\""), none, sparsity, p.layers,
                                   {.min_kept_per_layer = 0});
    return std::count(c.removed.begin(), c.removed.end(), true);
  };
  EXPECT_EQ(removed(3.0 / 48), 0);
  EXPECT_EQ(removed(5.0 / 48), 8);
  EXPECT_EQ(removed(17.0 / 48), 16);
}

TEST(Groups, TheUpdateOfASetIsItsOwnConstrainedMinimum) {
  const GroupProblem p;
  const auto candidates = p.candidates("woodfisher", "\"filter\"");
  Choice choice{std::vector<bool>(48, false), std::vector<double>(48, 0.0)};
  for (std::size_t k = 0; k < candidates[1].members.size(); ++k) {
    choice.removed[candidates[1].members[k]] = true;
    choice.multipliers[candidates[1].members[k]] = candidates[1].multipliers[k];
  }
  const auto one = compensate(p.model(), choice, UpdateMode::simultaneous);
  const auto joint = compensate(p.model(), choice, UpdateMode::joint);
  for (std::size_t q = 0; q < 48; ++q) EXPECT_NEAR(one[q], joint[q], 1e-8) << q;
}

TEST(Groups, FlopsMakeCostlyLayersGoFirst) {
  const GroupProblem p;
  std::vector<double> saliency(48, 1.0);
  weigh_by_flops(saliency, p.layers, 0.5);
  EXPECT_DOUBLE_EQ(saliency[0], 0.1) << "100 multiply-adds a weight, to the power of one half";
  EXPECT_DOUBLE_EQ(saliency[40], 1.0);
  std::vector<Candidate> filters = p.candidates("woodfisher", "\"filter\"");
  const double before = filters[0].cost, of_b = filters.back().cost;
  weigh_by_flops(filters, p.layers, 0.5);
  EXPECT_DOUBLE_EQ(filters[0].cost, before / 10) << "sets as their members";
  EXPECT_DOUBLE_EQ(filters.back().cost, of_b);
}

}  // namespace
}  // namespace espalier
