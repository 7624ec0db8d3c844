// What a pruning step decides for itself: "damp": "auto" tries a ladder and says so, "num_recomputations":
// "auto" splits steps that the quadratic model mispredicts, and every step reports prediction and measurement
// layer by layer.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "paths.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

using nlohmann::json;

std::vector<json> prune(const testing::TempFolder& folder, const std::string& settings) {
  std::ofstream(folder / "config.json")
      << R"({"name": "tiny", "data": {"source": {"type": "synthetic", "classes": 3, "train": 400,
    "test": 60, "height": 8, "width": 8, "channels": 2}}, "model": {"type": "sequential", "layers": [
    {"type": "conv", "name": "conv", "out": 6, "kernel": 3}, "relu", "flatten", {"type": "linear", "name": "fc", "out": 3}]},
    "train": {"epochs": 3, "batch_size": 20}, "prune": {"num_grads": 60, "inverse": "layer", "held_out_examples": 100,
    "schedule": {"type": "one_shot", "final_sparsity": 0.9, "epoch": 3}, )"
      << settings << "}}";
  const std::string command = std::string(ESPALIER_CLI) + " prune " + (folder / "config.json").string() +
                              " --quiet --overwrite --output " + (folder / "out").string() + " > " +
                              (folder / "log").string() + " 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0);
  std::vector<json> rows;
  std::ifstream in(folder / "out" / "metrics.jsonl");
  for (std::string line; std::getline(in, line);) rows.push_back(json::parse(line));
  return rows;
}

std::vector<json> of(const std::vector<json>& rows, const char* event) {
  std::vector<json> chosen;
  for (const json& r : rows)
    if (r["event"] == event) chosen.push_back(r);
  return chosen;
}

TEST(Auto, DampingIsTriedOnHeldOutExamplesAndRecorded) {
  const testing::TempFolder folder;
  const auto rows = prune(folder, R"("damp": "auto")");
  const auto trials = of(rows, "damp"), steps = of(rows, "prune");
  ASSERT_EQ(steps.size(), 1U);
  ASSERT_GE(trials.size(), 3U);
  int chosen = 0;
  for (const json& t : trials)
    if (t["chosen"].get<bool>()) {
      ++chosen;
      EXPECT_EQ(t["damp"], steps[0]["damp"]);
    }
  EXPECT_EQ(chosen, 1);
}

TEST(Auto, AStepThatTheModelMispredictsIsSplitAndStillReachesItsTarget) {
  const testing::TempFolder folder;
  const auto strict =
      of(prune(folder, R"("num_recomputations": "auto", "trust_factor": 1.01, "damp": 1e-3)"), "prune");
  EXPECT_GT(strict.size(), 1U);
  EXPECT_LE(strict.size(), 32U);
  const double weights = 9 * 2 * 6 + 36 * 6 * 3;
  EXPECT_NEAR(strict.back()["sparsity"].get<double>(), 0.9, 0.5 / weights);
  double before = 0;
  for (const json& s : strict) {
    EXPECT_GT(s["sparsity"].get<double>(), before);
    before = s["sparsity"];
  }
  const auto lenient =
      of(prune(folder, R"("num_recomputations": "auto", "trust_factor": 1e6, "damp": 1e-3)"), "prune");
  EXPECT_EQ(lenient.size(), 1U) << "nothing is split where everything is trusted";
  EXPECT_TRUE(lenient[0]["trusted"].get<bool>());
}

TEST(Auto, EveryStepReportsEachLayersPredictionAndMeasurement) {
  const testing::TempFolder folder;
  const auto steps = of(prune(folder, R"("damp": 1e-3)"), "prune");
  ASSERT_EQ(steps.size(), 1U);
  for (const char* key : {"predicted.conv", "predicted.fc", "measured.conv", "measured.fc"})
    EXPECT_TRUE(steps[0][key].is_number()) << key;
}

}  // namespace
}  // namespace espalier
