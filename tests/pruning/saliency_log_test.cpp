// The histograms of a pruning step against a count weight by weight.
#include "pruning/step/saliency_log.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

using Json = nlohmann::json;

/// Two layers of 3 and 4 weights; the last weight of the first was pruned earlier.
struct Step {
  std::vector<double> saliency{1e-6, 1e-2, 5, 0, 1e-3, 2e-2, -1};
  std::vector<bool> before{false, false, true, false, false, false, false};
  std::vector<bool> removed{true, false, true, true, true, false, false};
  std::vector<LayerView> layers{{.name = "a", .columns = {0, 3}, .shape = {3, 1}},
                                {.name = "b", .columns = {3, 7}, .shape = {4, 1}}};
  SaliencyStep view() const {
    return {.epoch = 4,
            .sub_step = 2,
            .saliency = saliency,
            .before = before,
            .removed = removed,
            .layers = layers};
  }
};

std::vector<Json> parsed(const std::string& lines) {
  std::vector<Json> rows;
  std::istringstream in(lines);
  for (std::string line; std::getline(in, line);) rows.push_back(Json::parse(line));
  return rows;
}

TEST(SaliencyLog, EveryWeightThatWasThereIsCountedOnceInTheBinOfItsSaliency) {
  const Step step;
  const std::vector<Json> rows = parsed(saliency_lines(step.view()));
  ASSERT_EQ(rows.size(), 2U);
  for (std::size_t l = 0; l < 2; ++l) {
    const Json& row = rows[l];
    EXPECT_EQ(row["layer"], step.layers[l].name);
    EXPECT_EQ(row["epoch"], 4);
    EXPECT_EQ(row["sub_step"], 2);
    const double low = row["low"], width = row["width"];
    std::vector<int> removed(row["removed"].size()), kept(removed.size());
    int removed_below = 0, kept_below = 0;
    for (auto q = step.layers[l].columns.begin; q < step.layers[l].columns.end; ++q) {
      const auto i = static_cast<std::size_t>(q);
      if (step.before[i]) continue;
      if (step.saliency[i] <= 0) {
        ++(step.removed[i] ? removed_below : kept_below);
        continue;
      }
      // The highest lies on the upper edge of the last bin, which it belongs to.
      const double at = (std::log10(step.saliency[i]) - low) / width;
      const auto bin = std::min(static_cast<std::size_t>(std::floor(at)), removed.size() - 1);
      ++(step.removed[i] ? removed : kept)[bin];
    }
    EXPECT_EQ(row["removed"], Json(removed));
    EXPECT_EQ(row["kept"], Json(kept));
    EXPECT_EQ(row["removed_below"], removed_below);
    EXPECT_EQ(row["kept_below"], kept_below);
  }
  EXPECT_DOUBLE_EQ(rows[0]["highest_removed"], 1e-6);
  EXPECT_DOUBLE_EQ(rows[0]["lowest_kept"], 1e-2);
  EXPECT_DOUBLE_EQ(rows[1]["highest_removed"], 1e-3);
  EXPECT_DOUBLE_EQ(rows[1]["lowest_kept"], -1);
}

TEST(SaliencyLog, WhereNothingLeftTheHighestRemovedIsNull) {
  Step step;
  step.removed = step.before;
  const std::vector<Json> rows = parsed(saliency_lines(step.view()));
  EXPECT_TRUE(rows[1]["highest_removed"].is_null());
  EXPECT_FALSE(rows[1]["lowest_kept"].is_null());
}

TEST(SaliencyLog, SalienciesThatAreAllEqualOrZeroHaveBinsToo) {
  Step step;
  for (const double same : {0.0, 3.0}) {
    step.saliency.assign(7, same);
    for (const Json& row : parsed(saliency_lines(step.view()))) EXPECT_GT(row["width"].get<double>(), 0);
  }
}

TEST(SaliencyLog, TheFirstStepOfARunEmptiesTheFile) {
  const Step step;
  const espalier::testing::TempFolder folder;
  folder.write_text("saliency.jsonl", "of an earlier run\n");
  log_saliency(folder.path(), step.view(), true);
  log_saliency(folder.path(), step.view(), false);
  std::ifstream in(folder / "saliency.jsonl");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  EXPECT_EQ(text, saliency_lines(step.view()) + saliency_lines(step.view()));
}

}  // namespace
}  // namespace espalier
