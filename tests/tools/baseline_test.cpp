// What a pruning run says of itself is honest: the price of sparsity is measured against a network trained as long, not
// against an earlier epoch; what makes a prediction worthless is named with its cause; nothing prunes a random
// initialisation without a word.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "paths.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

using nlohmann::json;

struct RunSeen {
  int code = 0;
  std::string log;
  std::vector<json> rows;
  const json& done() const { return rows.back(); }
  std::string notices() const {
    std::string all;
    for (const json& row : rows)
      if (row["event"] == "notice") all += row["text"].get<std::string>() + "\n";
    return all;
  }
};

std::string contents(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A run of a tiny network on blobs that overlap, so that it makes mistakes; `more` are arguments.
RunSeen prune(const testing::TempFolder& folder, const std::string& more, const std::string& prune_section =
          R"({"num_grads": 60, "inverse": "layer", "schedule": {"type": "one_shot", "epoch": 2}})") {
  std::ofstream(folder / "config.json")
      << R"({"name": "tiny", "data": {"source": {"type": "synthetic", "classes": 5, "train": 300, "test": 200,
    "height": 6, "width": 6, "channels": 1, "noise": 1}}, "model": {"type": "sequential", "layers": ["flatten",
    {"type": "linear", "name": "fc1", "out": 12}, "relu", {"type": "linear", "name": "fc2", "out": 5}]},
    "train": {"epochs": 4, "batch_size": 20}, "prune": )"
      << prune_section << "}";
  const std::string command = std::string(ESPALIER_CLI) + " prune " + (folder / "config.json").string() +
                              " --no-report --output " + (folder / "out").string() + " " + more + " > " +
                              (folder / "log").string() + " 2>&1";
  RunSeen run;
  run.code = std::system(command.c_str());
  run.log = contents(folder / "log");
  EXPECT_EQ(run.code, 0) << run.log;
  std::ifstream in(folder / "out" / "metrics.jsonl");
  for (std::string line; std::getline(in, line);) run.rows.push_back(json::parse(line));
  return run;
}

const std::string twin = "--set baseline=equal_budget ";

TEST(Baseline, ThePriceIsThatOfATwinTrainedAsLongOnTheSameTestImages) {
  const testing::TempFolder folder;
  const RunSeen run = prune(folder, twin);
  const json& done = run.done();
  EXPECT_EQ(done["event"], "done");
  EXPECT_EQ(done["twin_epochs"], 4);
  EXPECT_NEAR(done["price_of_sparsity"].get<double>(),
              done["twin_test_accuracy"].get<double>() - done["test_accuracy"].get<double>(), 1e-12);
  const double n = 200, a = done["only_twin_right"], b = done["only_pruned_right"];
  EXPECT_GT(a + b, 0) << "without any difference this test shows nothing";
  EXPECT_NEAR(done["price_of_sparsity"].get<double>(), (a - b) / n, 1e-12);
  EXPECT_NEAR(done["price_error"].get<double>(), std::sqrt(a + b - (a - b) * (a - b) / n) / n, 1e-12);
  EXPECT_NE(run.log.find("price of"), std::string::npos) << run.log;
  EXPECT_NE(run.log.find("besides, a dense twin is trained for 4 epochs"), std::string::npos)
      << "its cost is said before: " << run.log;
  // The twin is what `espalier train` makes of the config, bit for bit.
  const std::string train = std::string(ESPALIER_CLI) + " train " + (folder / "config.json").string() +
                            " --quiet --no-report --output " + (folder / "dense").string() + " > " +
                            (folder / "log").string() + " 2>&1";
  ASSERT_EQ(std::system(train.c_str()), 0) << contents(folder / "log");
  std::ifstream in(folder / "dense" / "metrics.jsonl");
  std::string last;
  for (std::string line; std::getline(in, line);) last = line;
  EXPECT_EQ(json::parse(last)["test_loss"], done["twin_test_loss"]);
}

TEST(Baseline, TheTwinIsTrainedOnceForAllSettingsOfPruning) {
  const testing::TempFolder folder;
  (void)prune(folder, twin);
  const auto before = std::filesystem::last_write_time(folder / "out" / "baseline" / "state.safetensors");
  const RunSeen again = prune(folder, twin + "--overwrite --set prune.damp=0.1");
  EXPECT_NE(again.log.find("not done again"), std::string::npos) << again.log;
  EXPECT_EQ(std::filesystem::last_write_time(folder / "out" / "baseline" / "state.safetensors"), before);
  const RunSeen other = prune(folder, twin + "--overwrite --set train.epochs=3");
  EXPECT_EQ(other.done()["twin_epochs"], 3) << "another training is another twin";
}

TEST(Baseline, AFinishedRunGetsItsTwinByResume) {
  const testing::TempFolder folder;
  const RunSeen without = prune(folder, "");
  EXPECT_FALSE(without.done().contains("twin_epochs"));
  EXPECT_NE(without.log.find("the first line is of 2 epochs and the last of 4"), std::string::npos) << without.log;
  const RunSeen with = prune(folder, twin + "--resume");
  EXPECT_EQ(with.done()["test_loss"], without.done()["test_loss"]) << "nothing of the run itself is repeated";
  int ends = 0;
  for (const json& row : with.rows) ends += row["event"] == "done";
  EXPECT_EQ(ends, 1);
  EXPECT_TRUE(with.done().contains("price_of_sparsity"));
}

TEST(Baseline, ADamagedTwinIsTrainedAnew) {
  const testing::TempFolder folder;
  const RunSeen first = prune(folder, twin);
  std::filesystem::resize_file(folder / "out" / "baseline" / "state.safetensors", 100);
  const RunSeen again = prune(folder, twin + "--overwrite");
  EXPECT_NE(again.log.find("trained anew"), std::string::npos) << again.log;
  EXPECT_EQ(again.done()["twin_test_loss"], first.done()["twin_test_loss"]);
}

TEST(Honest, EveryStepIsMeasuredOnExamplesTheFisherHasNotSeen) {
  const testing::TempFolder folder;
  for (const json& row : prune(folder, "").rows)
    if (row["event"] == "prune") {
      EXPECT_TRUE(row["held_out_loss_change"].is_number());
    }
  for (const json& row : prune(folder, "--overwrite --set prune.num_grads=300").rows)
    if (row["event"] == "prune") {
      EXPECT_FALSE(row.contains("held_out_loss_change")) << "it has seen all of them";
    }
}

TEST(Honest, ARandomInitialisationIsNotPrunedWithoutAWord) {
  const testing::TempFolder folder;
  const RunSeen at_once = prune(folder, "--set prune.schedule.epoch=0");
  EXPECT_NE(at_once.notices().find("random initialisation"), std::string::npos) << at_once.log;
  const RunSeen by_default = prune(folder, "--overwrite", R"({"num_grads": 60})");
  EXPECT_EQ(by_default.notices().find("random initialisation"), std::string::npos);
  EXPECT_NE(by_default.log.find("prune.schedule is not given"), std::string::npos) << by_default.log;
  for (const json& row : by_default.rows)
    if (row["event"] == "prune") {
      EXPECT_GT(row["epoch"], 0);
    }
}

TEST(Honest, TrustLooksBothWays) {
  const testing::TempFolder folder;
  // Before any training the model expects a rise; the loss of a network that knows nothing falls as it shrinks.
  const RunSeen run = prune(folder, "--set prune.schedule.epoch=0 --set prune.damp=1e-4 --set train.epochs=0");
  for (const json& row : run.rows) {
    if (row["event"] != "prune") continue;
    const double predicted = row["predicted_loss_change"], measured = row["measured_loss_change"];
    ASSERT_GT(predicted, 0.1) << "else this test shows nothing";
    ASSERT_LT(measured, 0) << "else this test shows nothing";
    EXPECT_FALSE(row["trusted"]);
  }
  EXPECT_NE(run.notices().find("overstates the curvature"), std::string::npos) << run.notices();
}

TEST(Honest, AFisherThatVanishesBesideTheDampeningIsNamed) {
  const testing::TempFolder folder;
  EXPECT_EQ(prune(folder, "").notices().find("vanishes"), std::string::npos);
  const RunSeen run = prune(folder, "--overwrite --set prune.damp=100000");
  EXPECT_NE(run.notices().find("prune.damp is 100000, and beside it the Fisher vanishes"), std::string::npos)
      << run.notices();
}

}  // namespace
}  // namespace espalier
