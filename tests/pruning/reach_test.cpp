// The largest sparsity that groups can come to, known before a run, against what selection then does.
#include "pruning/choice/reach.h"

#include <gtest/gtest.h>

#include <cmath>

#include "pruning/choice/candidates.h"
#include "tests/support/expect_error.h"
#include "tests/support/pruning.h"

namespace espalier {
namespace {

const LayerView conv{.name = "conv", .columns = {0, 72}, .shape = {8, 3, 3, 1}};  // one input channel
const LayerView fc{.name = "fc", .columns = {72, 152}, .shape = {10, 8}, .outputs_are_classes = true};
const std::vector<bool> none(152, false);

Index most(const LayerView& layer, const char* group, int min_kept = 1,
           const std::vector<bool>& pruned = none) {
  return most_removed(layer, *made<GroupSettings>(group), pruned, min_kept);
}

TEST(Reach, WholeGroupsLeaveTheLayerWhatItMustKeep) {
  EXPECT_EQ(most(conv, "\"unstructured\""), 71);
  EXPECT_EQ(most(conv, "\"unstructured\"", 0), 72);
  EXPECT_EQ(most(conv, "\"filter\""), 63) << "seven of eight filters of nine weights";
  EXPECT_EQ(most(conv, "\"filter\"", 10), 54) << "ten weights need two filters";
  EXPECT_EQ(most(conv, "\"channel\""), 0) << "the only input";
  EXPECT_EQ(most(conv, "\"channel\"", 0), 72);
  EXPECT_EQ(most(fc, R"({"type": "n_of_m", "n": 2, "m": 4})"), 40);
  EXPECT_EQ(most(fc, R"({"type": "n_of_m", "n": 1, "m": 4})"), 60);
  EXPECT_EQ(most(fc, R"({"type": "block", "size": 4})"), 76);
}

TEST(Reach, AClassKeepsItsRow) {
  EXPECT_EQ(most(fc, "\"filter\""), 0);
  EXPECT_EQ(most(fc, "\"filter\"", 0), 80);
  EXPECT_EQ(most(fc, "\"channel\""), 70);
}

TEST(Reach, WhatIsPrunedAlreadyCounts) {
  std::vector<bool> pruned = none;
  for (int q = 0; q < 3; ++q) pruned[static_cast<std::size_t>(72 + q)] = true;  // three of the first four
  EXPECT_EQ(most(fc, R"({"type": "n_of_m", "n": 2, "m": 4})", 1, pruned), 41);
}

TEST(Reach, OutOfReachNamesLayersAndWhatTheyCanCome) {
  const std::vector<LayerView> layers{conv, fc};
  const auto problems = [&](double sparsity, const char* group, Ranking scope) {
    return out_of_reach(sparsity, layers, *made<GroupSettings>(group), none, {.scope = scope});
  };
  EXPECT_TRUE(problems(0.98, "\"unstructured\"", Ranking::layerwise).empty());
  const auto layerwise = problems(0.5, "\"filter\"", Ranking::layerwise);
  ASSERT_EQ(layerwise.size(), 1U);
  EXPECT_EQ(layerwise[0], "of fc at most 0.00 % can be removed (0 of 80 weights), not 50.00 %");
  EXPECT_TRUE(problems(0.4, "\"filter\"", Ranking::global).empty()) << "63 of 152";
  EXPECT_EQ(problems(0.5, "\"filter\"", Ranking::global).size(), 1U);
  EXPECT_TRUE(problems(0.44, "\"filter\"", Ranking::global).empty())
      << "to half a group: 67 asked, 63 to be had";
}

TEST(Reach, AStepThatWouldLoseAClassIsRefused) {
  std::vector<Candidate> rows;
  for (Index k = 0; k < 10; ++k) {
    Candidate& c = rows.emplace_back();
    for (Index i = 0; i < 8; ++i) c.members.push_back(k * 8 + i);
    c.cost = static_cast<double>(k);
  }
  LayerView outputs = fc;
  outputs.columns = {0, 80};
  const std::vector<LayerView> layers{outputs};
  testing::expect_error(ExitCode::pruning, {"5 of 10 classes", "outputs 0, 1, 2, 3, 4", "fc"},
                        [&] { select_groups(rows, std::vector<bool>(80, false), 0.5, layers, {}); });
  EXPECT_EQ(
      classes_without_weights(
          select_groups(rows, std::vector<bool>(80, false), 0.5, layers, {.min_kept_per_layer = 0}).removed,
          outputs)
          .size(),
      5U)
      << "unless it is allowed";
}

}  // namespace
}  // namespace espalier
