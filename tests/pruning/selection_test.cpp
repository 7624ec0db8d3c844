// From saliencies to masks: exact counts, ties, the published threshold rule, layers, patterns, and the guard
// against cutting a network through.
#include "pruning/choice/selection.h"

#include <gtest/gtest.h>

#include <limits>

#include "framework/core/check.h"
#include "pruning/choice/layer_names.h"

namespace espalier {
namespace {

const std::vector<LayerView> two_layers{{.name = "a", .columns = {0, 4}, .shape = {}},
                                        {.name = "b", .columns = {4, 10}, .shape = {}}};
const std::vector<bool> none(10, false);
const std::vector<double> saliency{5, 1, 7, 3, 2, 8, 9, 4, 6, 10};

std::vector<int> removed(const std::vector<double>& s, const std::vector<bool>& pruned, double sparsity,
                         const SelectionSettings& settings) {
  const auto set = select(s, pruned, sparsity, two_layers, settings);
  std::vector<int> indices;
  for (std::size_t q = 0; q < set.size(); ++q)
    if (set[q]) indices.push_back(static_cast<int>(q));
  return indices;
}

TEST(Selection, GlobalRanksAllLayersTogether) {
  EXPECT_EQ(removed(saliency, none, 0.4, {}), (std::vector<int>{1, 3, 4, 7}));
}
TEST(Selection, LayerwiseTakesTheSameShareOfEach) {
  EXPECT_EQ(removed(saliency, none, 0.5, {.scope = Ranking::layerwise}), (std::vector<int>{1, 3, 4, 7, 8}));
}
TEST(Selection, CountsWhatIsPrunedAlreadyAndNeverRevivesIt) {
  std::vector<bool> pruned = none;
  pruned[9] = true;  // the highest of all, yet it stays pruned
  EXPECT_EQ(removed(saliency, pruned, 0.3, {}), (std::vector<int>{1, 4, 9}));
}
TEST(Selection, TiesGoByIndex) {
  EXPECT_EQ(removed(std::vector<double>(10, 1.0), none, 0.3, {}), (std::vector<int>{0, 1, 2}));
}
TEST(Selection, ThresholdKeepsStrictlyGreaterOnes) {
  // k = ceil(10 * 0.5) = 5; the fifth largest, 6, is the threshold; four survive.
  EXPECT_EQ(removed(saliency, none, 0.5, {.rule = MaskRule::threshold}),
            (std::vector<int>{0, 1, 3, 4, 7, 8}));
}
TEST(Selection, ExactCountsAtEveryLevel) {
  for (int k = 0; k <= 9; ++k)
    EXPECT_EQ(removed(saliency, none, k / 10.0, {.min_kept_per_layer = 0}).size(),
              static_cast<std::size_t>(k));
}
TEST(Selection, ALayerThatWouldBeEmptiedIsRefusedByName) {
  try {
    removed({1, 1, 1, 1, 9, 9, 9, 9, 9, 9}, none, 0.4, {});
    FAIL() << "layer a was emptied";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::pruning);
    EXPECT_NE(std::string(e.what()).find("layer a with 0 of 4"), std::string::npos) << e.what();
  }
  EXPECT_EQ(removed({1, 1, 1, 1, 9, 9, 9, 9, 9, 9}, none, 0.4, {.min_kept_per_layer = 0}).size(), 4U);
}
TEST(Selection, SalienciesThatAreNotFiniteAreRefused) {
  std::vector<double> bad = saliency;
  bad[2] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(removed(bad, none, 0.5, {}), Error);
}
TEST(Selection, PatternsChooseLayers) {
  const std::vector<std::string> layers{"conv1", "layer1.0.conv1", "layer1.0.conv2", "fc"};
  EXPECT_EQ(match_names(layers, {}, {}).size(), 4U);
  EXPECT_EQ(match_names(layers, {"layer?.*.conv*"}, {}), (std::vector<std::size_t>{1, 2}));
  EXPECT_EQ(match_names(layers, {}, {"fc", "conv1"}), (std::vector<std::size_t>{1, 2}));
  EXPECT_EQ(match_names(layers, {"*.conv[12]"}, {}), (std::vector<std::size_t>{1, 2}));
  try {
    match_names(layers, {"conv2"}, {});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::config);
    EXPECT_NE(std::string(e.what()).find("did you mean \"conv1\"?"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace espalier
