// `espalier report` as a user meets it: what it writes, where, and what is said when it cannot.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "paths.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class ReportCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    folder.write_text("run.json", R"({
      "name": "small", "seed": 3,
      "data": {"source": {"type": "synthetic", "classes": 4, "train": 256, "test": 64, "height": 8, "width": 8, "channels": 1}},
      "model": {"type": "sequential", "layers": [{"type": "conv", "name": "conv", "out": 4, "kernel": 3, "pad": 1}, "relu",
        {"type": "max_pool", "kernel": 2}, "flatten", {"type": "linear", "name": "fc", "out": 4}]},
      "train": {"epochs": 3, "batch_size": 32},
      "prune": {"criterion": "woodfisher", "inverse": "layer", "num_grads": 16,
                "schedule": {"type": "cubic", "final_sparsity": 0.7, "start_epoch": 1, "end_epoch": 3}}})");
  }
  /// Exit code; what was printed is in `output`.
  int run(const std::string& arguments) {
    const std::string command =
        fmt::format("cd '{}' && '{}' {} > output.txt 2>&1", folder.str(), ESPALIER_CLI, arguments);
    const int status = std::system(command.c_str());
    output = slurp(folder / "output.txt");
    return WEXITSTATUS(status);
  }
  void expect_error(const std::string& arguments, int code, std::initializer_list<const char*> parts) {
    EXPECT_EQ(run(arguments), code) << arguments << ": " << output;
    for (const char* part : parts)
      EXPECT_NE(output.find(part), std::string::npos) << "no '" << part << "' in:\n" << output;
  }
  static Json data_of(const std::string& page) {
    const std::string open = "<script type=\"application/json\" id=\"espalier-data\">";
    const std::size_t begin = page.find(open) + open.size();
    return Json::parse(page.substr(begin, page.find("</script>", begin) - begin));
  }
  std::string output;
  testing::TempFolder folder;
};

TEST_F(ReportCommand, PruneWritesItAndItHasTheRowsOfTheRun) {
  ASSERT_EQ(run("prune run.json --quiet --output a"), 0) << output;
  EXPECT_NE(output.find("a/report.html"), std::string::npos) << output;
  const std::string page = slurp(folder / "a/report.html");
  EXPECT_LT(page.size(), 5'000'000U);
  EXPECT_EQ(page.find("http-equiv=\"refresh\""), std::string::npos);
  for (const char* outside : {"src=\"http", "href=\"http", "@import", "url(http"})
    EXPECT_EQ(page.find(outside), std::string::npos) << "the page asks for something outside: " << outside;
  EXPECT_NE(page.find("BSD-3-Clause"), std::string::npos) << "the licence of Vega";

  const Json data = data_of(page);
  ASSERT_EQ(data["runs"].size(), 1U);
  const Json& mine = data["runs"][0];
  Json rows = Json::array();
  std::ifstream in(folder / "a/metrics.jsonl");
  for (std::string line; std::getline(in, line);) rows.push_back(Json::parse(line));
  EXPECT_EQ(mine["metrics"], rows);
  EXPECT_EQ(mine["config"], Json::parse(slurp(folder / "a/config.json")));
  EXPECT_EQ(mine["saliency"].size(), 4U) << "two layers in each of two steps";
  EXPECT_TRUE(mine["notices"].empty()) << mine["notices"];
  const Json& done = rows.back();
  for (const Json& layer : mine["layers"]) {
    const std::string name = layer["name"];
    EXPECT_EQ(layer["weights"], done["weights." + name]);
    EXPECT_DOUBLE_EQ(1 - layer["kept"].get<double>() / layer["weights"].get<double>(),
                     done["sparsity." + name].get<double>());
  }
  EXPECT_LT(done["multiply_adds_kept"].get<int>(), done["multiply_adds"].get<int>());
}

TEST_F(ReportCommand, TheWorkThatIsLeftCountsEveryWeightWhereItIsUsed) {
  ASSERT_EQ(run("prune run.json --quiet --output a"), 0) << output;
  const Json done = data_of(slurp(folder / "a/report.html"))["runs"][0]["metrics"].back();
  const auto kept = [&](const char* layer) {
    return std::lround(done[std::string("weights.") + layer].get<double>() *
                       (1 - done[std::string("sparsity.") + layer].get<double>()));
  };
  // 8 x 8 outputs of a 3 x 3 convolution with one channel and 4 filters; 4 x 4 x 4 inputs of 4 classes.
  EXPECT_EQ(done["multiply_adds"].get<long>(), 64 * 36 + 64 * 4);
  EXPECT_EQ(done["multiply_adds_kept"].get<long>(), 64 * kept("conv") + kept("fc"));
}

TEST_F(ReportCommand, SeveralRunsMakeOnePageAndAreToldApart) {
  ASSERT_EQ(run("prune run.json --quiet --output a --no-report"), 0) << output;
  EXPECT_FALSE(fs::exists(folder / "a/report.html"));
  ASSERT_EQ(run("train run.json --quiet --output b"), 0) << output;
  EXPECT_TRUE(fs::exists(folder / "b/report.html"));
  ASSERT_EQ(run("report a b"), 0) << output;
  const Json runs = data_of(slurp(folder / "report.html"))["runs"];
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs[0]["name"], "small (a)");
  EXPECT_EQ(runs[1]["name"], "small (b)");
  EXPECT_EQ(runs[0]["kind"], "prune");
  EXPECT_EQ(runs[1]["kind"], "train");
  ASSERT_EQ(run("report a -o c.html"), 0) << output;
  EXPECT_TRUE(fs::exists(folder / "c.html"));
}

TEST_F(ReportCommand, AReportThatCannotBeWrittenIsAnErrorOfWritingAndTheRunIsThere) {
  ASSERT_EQ(run("prune run.json --quiet --output a --no-report"), 0) << output;
  fs::create_directories(folder / "a/report.html");
  EXPECT_EQ(run("prune run.json --quiet --output a --resume"), 8) << output;
  EXPECT_NE(output.find("a/report.html"), std::string::npos) << output;
  EXPECT_NE(output.find("after fine-tuning"), std::string::npos)
      << "the result is shown all the same: " << output;
  expect_error("report a", 8, {"report.html"});
}

TEST_F(ReportCommand, WrongUsageIsExplained) {
  expect_error("report", 2, {"RUN_DIR"});
  expect_error("report nowhere", 2, {"nowhere", "no folder", "runs/quickstart"});
  expect_error("report .", 2, {"holds no run", "config.json"});
  ASSERT_EQ(run("train run.json --quiet --output a --no-report"), 0) << output;
  expect_error("report a -o missing/x.html", 8, {"missing"});
  expect_error("report a --published none.json", 3, {"none.json"});
  folder.write_text("bad.json", "{\"rows\": [{\"method\": 3}]}");
  expect_error("report a --published bad.json", 3, {"bad.json", "method"});
  expect_error("reprt a", 2, {"did you mean \"report\"?"});
}

TEST_F(ReportCommand, HelpNamesEverything) {
  ASSERT_EQ(run("report --help"), 0);
  for (const char* part : {"RUN_DIR", "--output", "--published", "Exit codes"})
    EXPECT_NE(output.find(part), std::string::npos) << part;
}

}  // namespace
}  // namespace espalier
