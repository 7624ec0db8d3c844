// `espalier explain`: its --json has the keys and numbers of the oracle's cases; bad problems end in errors
// that name what is wrong.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdio>

#include "paths.h"
#include "tests/support/oracle.h"
#include "tests/support/temp_folder.h"
#include "tools/run/rows.h"

namespace espalier {
namespace {

using nlohmann::json;

struct Result {
  int code;
  std::string output;
};
Result run(const std::string& arguments) {
  Result r{};
  FILE* pipe = popen((std::string(ESPALIER_CLI) + " " + arguments + " 2>&1").c_str(), "r");
  std::array<char, 4096> part{};
  while (fgets(part.data(), static_cast<int>(part.size()), pipe)) r.output += part.data();
  r.code = WEXITSTATUS(pclose(pipe));
  return r;
}

void expect_same(const json& expected, const json& got, const std::string& where, double scale) {
  ASSERT_EQ(expected.is_number(), got.is_number()) << where;
  if (expected.is_number_float() || (expected.is_number() && got.is_number_float())) {
    EXPECT_NEAR(got.get<double>(), expected.get<double>(),
                1e-9 * std::max(scale, std::abs(expected.get<double>())))
        << where;
  } else if (expected.is_object()) {
    for (const auto& [key, value] : expected.items()) {
      ASSERT_TRUE(got.contains(key)) << where << "." << key;
      expect_same(value, got[key], where + "." + key, scale);
    }
    EXPECT_EQ(expected.size(), got.size()) << where << ": no other keys";
  } else if (expected.is_array()) {
    ASSERT_EQ(expected.size(), got.size()) << where;
    double largest = scale;
    for (const json& v : expected)
      if (v.is_number()) largest = std::max(largest, std::abs(v.get<double>()));
    for (std::size_t i = 0; i < expected.size(); ++i)
      expect_same(expected[i], got[i], fmt::format("{}[{}]", where, i), largest);
  } else {
    EXPECT_EQ(expected, got) << where;
  }
}

/// "-1/3" as a number.
json from_fractions(const json& exact) {
  if (exact.is_string()) {
    const auto text = exact.get<std::string>();
    const auto slash = text.find('/');
    return std::stod(text) / (slash == std::string::npos ? 1 : std::stod(text.substr(slash + 1)));
  }
  json list = json::array();
  for (const json& e : exact) list.push_back(from_fractions(e));
  return list;
}

/// The oracle's exact fractions are the same numbers.
void expect_fractions(const json& exact, const json& got) {
  for (const char* key : {"F", "F_inv", "rho_woodfisher", "rho_woodtaylor"})
    expect_same(from_fractions(exact[key]), got[key], key, 1);
  for (const char* criterion : {"woodfisher", "woodtaylor"})
    for (std::size_t q = 0; q < got["single_removals"].size(); ++q)
      expect_same(from_fractions(exact[std::string("single_delta_w_") + criterion][q]),
                  got["single_removals"][q][criterion]["delta_w"], criterion, 1);
}

TEST(Explain, JsonHasTheOraclesKeysAndNumbers) {
  const auto cases = oracle_cases("quadratic");
  const testing::TempFolder folder;
  for (const json& c : cases) {
    std::ofstream(folder / "problem.json") << c["inputs"].dump();
    const Result r = run("explain --json " + (folder / "problem.json").string());
    ASSERT_EQ(r.code, 0) << r.output;
    json expected = c["expected"], got = json::parse(r.output);
    if (expected.contains("exact_fractions")) expect_fractions(expected["exact_fractions"], got);
    expected.erase("exact_fractions");
    // Which keys there are depends on sizes alone; the oracle lists subsets only where ranking misses the best.
    const std::size_t d = expected["F"].size();
    EXPECT_EQ(got.contains("exhaustive_k_subsets"), d >= 2 && d <= 16) << c["id"];
    if (!expected.contains("exhaustive_k_subsets")) got.erase("exhaustive_k_subsets");
    expect_same(expected, got, c["id"], 1);  // losses that are 0 but for rounding: against 1
    const Result text = run("explain " + (folder / "problem.json").string());
    EXPECT_EQ(text.code, 0);
    EXPECT_NE(text.output.find("Sherman-Morrison"), std::string::npos);
  }
}

TEST(Explain, TheExampleShowsThatRankingMissesTheBestPair) {
  const Result r = run(std::string("explain ") + ESPALIER_SOURCE_DIR + "/configs/explain_example.json");
  EXPECT_EQ(r.code, 0);
  EXPECT_NE(r.output.find("Of all 3 sets of 2 the best is {0, 2}"), std::string::npos) << r.output;
}

TEST(Explain, BadProblemsAreNamed) {
  const testing::TempFolder folder;
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"({"gradients": [[1]], "weights": [1]})", "needs \"lambda\""},
      {R"({"gradients": [[1, 2]], "weights": [1], "lambda": 1})",
       "gradients[0] has 2 values, but there are 1 weights"},
      {R"({"gradients": [[1]], "weights": [1], "lambda": 0})",
       "lambda is 0; it must be a number greater than 0"},
      {R"({"gradients": [[1]], "weights": [1], "lamda": 1})", "did you mean \"lambda\""},
      {R"({"gradients": [["a"]], "weights": [1], "lambda": 1})", "gradients[0] holds \"a\""},
      {R"({"gradients": [[1, 1]], "weights": [1, 2], "lambda": 1, "blocks": [[0]]})",
       "blocks must name each"},
      {R"({"gradients": [[1, 1]], "weights": [1, 2], "lambda": 1, "sets_removed": [[5]]})",
       "weights are numbered 0 to 1"},
      {R"({"gradients": [[1e300, 1]], "weights": [1, 2], "lambda": 1e-300})", "error"},
      {R"({"gradients": [], "weights": [], "lambda": 1})", "weights has 0 values"},
      {"[1, 2", "is not valid JSON"}};
  for (const auto& [problem, message] : cases) {
    std::ofstream(folder / "problem.json") << problem;
    const Result r = run("explain " + (folder / "problem.json").string());
    EXPECT_TRUE(r.code == 3 || r.code == 6) << problem << "\n" << r.output;
    EXPECT_NE(r.output.find(message), std::string::npos) << problem << "\n" << r.output;
  }
}

/// A tiny run on synthetic images with a prune section.
std::string write_config(const testing::TempFolder& folder, const std::string& more = "") {
  std::ofstream(folder / "config.json")
      << R"({"name": "tiny", "data": {"source": {"type": "synthetic", "classes": 3, "train": 300,
    "test": 60, "height": 8, "width": 8, "channels": 2}}, "model": {"type": "sequential", "layers": [
    {"type": "conv", "name": "conv", "out": 6, "kernel": 3}, "relu", "flatten", {"type": "linear", "name": "fc", "out": 3}]},
    "train": {"epochs": 2, "batch_size": 20}, "prune": {"num_grads": 60, "damp": 1e-3, "inverse": "layer",
    "schedule": {"type": "one_shot", "final_sparsity": 0.5, "epoch": 2}})"
      << more << "}";
  return (folder / "config.json").string();
}

TEST(Explain, OneWeightSeenByEveryCriterion) {
  const testing::TempFolder folder;
  const std::string config = write_config(folder);
  const Result r = run("explain " + config + " --weight \"conv[2,1,0,2]\" --json");
  ASSERT_EQ(r.code, 0) << r.output;
  const json out = json::parse(r.output);
  EXPECT_EQ(out["weight"], "conv[2,1,0,2]");
  ASSERT_EQ(out["criteria"].size(), 4U);
  EXPECT_DOUBLE_EQ(out["criteria"][0]["score"].get<double>(), std::abs(out["value"].get<double>()));
  const double w = out["value"], rho = w * w / (2 * out["inverse_diagonal"].get<double>());
  EXPECT_NEAR(out["criteria"][2]["score"].get<double>(), rho, 1e-12 * rho);
  // WoodFisher's rho is the dampened model's loss with g = 0; the prediction adds g'delta.
  EXPECT_EQ(out["removal"].size(), 3U);
  for (std::size_t i :
       {0,
        1})  // one weight of many: the quadratic model holds; WoodTaylor also steps, on a fresh network far
    EXPECT_NEAR(out["removal"][i]["measured_loss_change"].get<double>(),
                out["removal"][i]["predicted_loss_change"].get<double>(), 0.02);
  EXPECT_LT(out["removal"][2]["measured_loss_change"].get<double>(), 0)
      << "the gradient step lowers the loss";
  EXPECT_EQ(out["absorbed_by"].size(), 10U);
  EXPECT_GE(std::abs(out["absorbed_by"][0]["delta"].get<double>()),
            std::abs(out["absorbed_by"][9]["delta"].get<double>()));
  const Result text = run("explain " + config + " --weight \"fc[2,7]\"");
  EXPECT_EQ(text.code, 0);
  EXPECT_NE(text.output.find("Who absorbs it"), std::string::npos) << text.output;
  for (const auto& [weight, message] :
       std::vector<std::pair<std::string, std::string>>{{"cnv[0,0,0,0]", "did you mean \"conv\""},
                                                        {"conv[0,0]", "has 4 axes, not 2"},
                                                        {"conv[9,0,0,0]", "out of range"},
                                                        {"conv", "no index"},
                                                        {"fc[1,x]", "'x' is no part"}}) {
    const Result bad = run("explain " + config + " --weight \"" + weight + "\"");
    EXPECT_EQ(bad.code, 2) << bad.output;
    EXPECT_NE(bad.output.find(message), std::string::npos) << bad.output;
  }
}

TEST(Sweep, DoesEveryCellOnceAndOnlyWhatIsMissing) {
  const testing::TempFolder folder;
  const std::string config = write_config(
      folder, R"(, "sweep": {"criteria": ["magnitude", "woodfisher"], "inverses": ["layer", "block", "kfac"],
      "block_sizes": [16, 32], "damps": [1e-3, 1e-1], "sparsities": [0.5, 0.8]})");
  const std::string command = "sweep " + config + " --output " + (folder / "out").string();
  const Result first = run(command);
  ASSERT_EQ(first.code, 0) << first.output;
  // magnitude once; woodfisher x (layer, block 16, block 32, kfac) x 2 dampenings; x 2 sparsities.
  EXPECT_NE(first.output.find("18 of 18 cells to do"), std::string::npos) << first.output;
  const auto cells = [&] { return rows_of<CellRow>(read_metrics(folder / "out" / "metrics.jsonl")); };
  EXPECT_EQ(cells().size(), 18U);
  for (const CellRow& cell : cells()) {
    EXPECT_EQ(cell.damp.has_value(), cell.criterion == "woodfisher")
        << "settings that do not enter are no columns";
    EXPECT_EQ(cell.fisher_block_size.has_value(), cell.inverse == "block");
  }
  EXPECT_NE(run(command).output.find("all 18 cells are here already"), std::string::npos);
  const Result more = run(command + " --set sweep.sparsities=[0.5,0.9]");
  EXPECT_NE(more.output.find("9 of 18 cells to do"), std::string::npos) << more.output;
  const Result other = run(command + " --set prune.num_grads=50");
  EXPECT_EQ(other.code, 3) << "another experiment is not mixed in";
  EXPECT_NE(other.output.find("prune.num_grads is 60 there and 50 here"), std::string::npos) << other.output;
  const Result wrong = run(command + " --set 'sweep.criteria=[\"woodfischer\"]'");
  EXPECT_EQ(wrong.code, 3);
  EXPECT_NE(wrong.output.find("did you mean \"woodfisher\""), std::string::npos) << wrong.output;
}

TEST(Sweep, ACellIsTheOneShotThatPruneMakes) {
  const testing::TempFolder folder;
  const std::string config = write_config(folder, R"(, "sweep": {"sparsities": [0.6]})");
  ASSERT_EQ(run("train " + config + " --quiet --output " + (folder / "dense").string()).code, 0);
  const std::string start =
      " --set checkpoint=" + (folder / "dense" / "checkpoint.safetensors").string() +
      " --set train.epochs=0 --set prune.schedule.epoch=0 --set prune.schedule.final_sparsity=0.6";
  ASSERT_EQ(run("sweep " + config + " --quiet --output " + (folder / "sweep").string() + start).code, 0);
  ASSERT_EQ(run("prune " + config + " --quiet --output " + (folder / "prune").string() + start).code, 0);
  const auto value = [&](const char* run_name, const char* event, const char* key) {
    std::ifstream in(folder / run_name / "metrics.jsonl");
    for (std::string line; std::getline(in, line);)
      if (const json row = json::parse(line); row["event"] == event) return row[key].get<double>();
    return -1.0;
  };
  for (const char* key : {"test_accuracy", "test_loss", "predicted_loss_change", "measured_loss_change"})
    EXPECT_EQ(value("sweep", "cell", key), value("prune", "prune", key)) << key;
}

}  // namespace
}  // namespace espalier
