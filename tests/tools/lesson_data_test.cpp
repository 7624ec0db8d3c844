// tour.json: written at the end of `prune` and of `curvature`; what it says of a weight is what `espalier
// explain` says.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>

#include "paths.h"
#include "tests/support/oracle.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

using nlohmann::json;

std::string run(const std::string& arguments, int expected = 0) {
  std::string output;
  FILE* pipe = popen((std::string(ESPALIER_CLI) + " " + arguments + " 2>&1").c_str(), "r");
  std::array<char, 4096> part{};
  while (fgets(part.data(), static_cast<int>(part.size()), pipe)) output += part.data();
  EXPECT_EQ(WEXITSTATUS(pclose(pipe)), expected) << arguments << "\n" << output;
  return output;
}

struct TourFile : ::testing::Test {
  testing::TempFolder folder;
  std::string config = (folder / "config.json").string(), out = (folder / "out").string();
  void SetUp() override {
    std::ofstream(config)
        << R"({"name": "tiny", "data": {"source": {"type": "synthetic", "classes": 3, "train": 300,
      "test": 60, "height": 8, "width": 8, "channels": 2}}, "model": {"type": "sequential", "layers": [
      {"type": "conv", "name": "conv", "out": 6, "kernel": 3}, "relu", "flatten", {"type": "linear", "name": "fc", "out": 3}]},
      "train": {"epochs": 2, "batch_size": 20}, "prune": {"num_grads": 60, "damp": 1e-3, "inverse": "layer",
      "schedule": {"type": "one_shot", "final_sparsity": 0.5, "epoch": 1}}})";
  }
  static json read(const std::string& path) {
    std::ifstream in(path);
    EXPECT_TRUE(in) << path;
    return json::parse(in);
  }
};

TEST_F(TourFile, OfAPruneRunSaysWhatExplainSays) {
  run("prune " + config + " --quiet --output " + out);
  const json tour = read(out + "/tour.json");
  EXPECT_EQ(tour["version"], 1);
  EXPECT_EQ(tour["num_grads"], 60);
  ASSERT_EQ(tour["layers"].size(), 2U);
  EXPECT_GE(tour["weights"].size(), 4U);
  std::size_t removed = 0;
  for (const json& w : tour["weights"]) {
    removed += w["removed"].get<bool>();
    const json said =
        json::parse(run("explain " + config + " --set checkpoint=" + out +
                        "/dense.safetensors --json --weight \"" + w["name"].get<std::string>() + "\""));
    EXPECT_EQ(w["value"], said["value"]);
    EXPECT_EQ(w["inverse_diagonal"], said["inverse_diagonal"]);
    EXPECT_EQ(w["criteria"], said["criteria"]);
    EXPECT_EQ(w["absorbed_by"], said["absorbed_by"]);
    for (std::size_t i = 0; i < 3; ++i)
      for (const char* key : {"update", "predicted_loss_change", "measured_loss_change"})
        EXPECT_EQ(w["removal"][i][key], said["removal"][i][key]) << key;
  }
  EXPECT_GT(removed, 0U);
  EXPECT_LT(removed, tour["weights"].size());
  for (const json& layer : tour["layers"]) {
    EXPECT_LT(layer["hessian_error"].get<double>(), 1e-4);
    const std::size_t n = layer["block"]["w"].size();
    EXPECT_EQ(layer["block"]["names"].size(), n);
    EXPECT_EQ(layer["block"]["rows"].size(), 12U);
    for (const json& row : layer["block"]["rows"]) EXPECT_EQ(row["g"].size(), n);
    for (const json& m : layer["block"]["matrices"])
      for (const char* kind : {"hessian", "sampled_fisher", "empirical_fisher"})
        EXPECT_EQ(m[kind].size(), n * (n + 1) / 2);
    const json& picture = layer["picture"];
    const auto size = picture["size"].get<std::size_t>();
    EXPECT_EQ(picture["names"].size(), size);
    EXPECT_EQ(picture["hessian"].get<std::string>().size(), (size * size + 2) / 3 * 4);
    EXPECT_DOUBLE_EQ(picture["mass"].back()["hessian"].get<double>(), 1) << "one block holds all";
    EXPECT_EQ(picture["names"][picture["block_begin"].get<std::size_t>()], layer["block"]["names"][0]);
  }
  // A complete run is left alone; a tour that is missing is made up for.
  std::filesystem::remove(out + "/tour.json");
  run("prune " + config + " --quiet --resume --output " + out);
  EXPECT_EQ(read(out + "/tour.json"), tour);
}

TEST_F(TourFile, OfAStudyNeedsNoPruning) {
  run("train " + config + " --quiet --output " + out);
  run("curvature " + config + " --quiet --output " + out + " --set curvature.examples=[20]");
  const json tour = read(out + "/curvature/tour.json");
  EXPECT_EQ(tour["layers"].size(), 2U);
  EXPECT_FALSE(tour["weights"][0].contains("removed"));
}

TEST_F(TourFile, ThatCannotBeWrittenIsNamed) {
  run("prune " + config + " --quiet --output " + out);
  std::filesystem::remove(out + "/tour.json");
  std::filesystem::create_directories(out + "/tour.json/in the way");
  const std::string said = run("prune " + config + " --overwrite --output " + out, 8);
  EXPECT_NE(said.find("tour.json"), std::string::npos) << said;
}

}  // namespace
}  // namespace espalier
