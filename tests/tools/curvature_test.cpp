// `espalier curvature` as a user meets it: numbers, matrices and pictures of a small network; resumed,
// repeated on other threads, and everything that can be wrong with its input.
#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/wait.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "framework/io/metrics.h"
#include "paths.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;

struct Result {
  int code;
  std::string output;
};

class CurvatureCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(folder / "run.json") << R"({
      "name": "small", "seed": 3,
      "data": {"source": {"type": "synthetic", "classes": 4, "train": 200, "test": 20, "height": 8, "width": 8, "channels": 1}},
      "model": {"type": "sequential", "layers": [
        {"type": "conv", "name": "conv", "out": 5, "kernel": 3, "pad": 1}, "batch_norm", "relu", {"type": "max_pool", "kernel": 2},
        "flatten", {"type": "linear", "name": "fc1", "out": 12}, "relu", {"type": "linear", "name": "fc2", "out": 4}]},
      "curvature": {"layers": ["conv", "fc2", "fc2+conv"], "examples": [60, 20, 60], "eigenvalues": 3,
                    "matrices": ["hessian", "empirical_fisher", "true_fisher", "monte_carlo_fisher"],
                    "block_sizes": [1, 9, 1000], "smoothing": 1}
    })";
  }
  Result run(const std::string& arguments) const {
    const std::string command = "cd " + folder.path().string() + " && " + ESPALIER_CLI +
                                " curvature run.json --quiet " + arguments + " 2>&1";
    Result r{0, {}};
    FILE* pipe = popen(command.c_str(), "r");
    char buffer[4096];
    while (const std::size_t got = fread(buffer, 1, sizeof buffer, pipe)) r.output.append(buffer, got);
    r.code = WEXITSTATUS(pclose(pipe));
    return r;
  }
  std::vector<MetricsRow> rows(const std::string& output) const {
    std::vector<MetricsRow> found;
    for (const MetricsRow& row : read_metrics(folder / (output + "/curvature/metrics.jsonl")))
      if (text(row, "event") == "curvature") found.push_back(row);
    return found;
  }
  void expect_error(const std::string& arguments, int code, std::initializer_list<const char*> parts) const {
    const Result r = run(arguments);
    EXPECT_EQ(r.code, code) << r.output;
    for (const char* part : parts)
      EXPECT_NE(r.output.find(part), std::string::npos) << "no '" << part << "' in:\n" << r.output;
  }
  testing::TempFolder folder;
};

TEST_F(CurvatureCommand, WritesNumbersMatricesAndPictures) {
  const Result r = run("--output a");
  ASSERT_EQ(r.code, 0) << r.output;
  const auto all = rows("a");
  ASSERT_EQ(all.size(), 6u) << "three layers, 20 and 60 examples";
  for (const MetricsRow& row : all) {
    const std::string layer = text(row, "layer");
    const bool joint = layer == "conv+fc2";
    EXPECT_EQ(number(row, "weights"), joint ? 93 : layer == "conv" ? 45 : 48);
    EXPECT_LT(number(row, "hessian_error"), 1e-5) << layer << ": blocks against Hessian-vector products";
    // Within a layer the exact true Fisher is the Hessian; between layers it is not.
    if (joint)
      EXPECT_LT(number(row, "cosine.true_fisher"), 1 - 1e-4);
    else
      EXPECT_NEAR(number(row, "cosine.true_fisher"), 1, 1e-12);
    EXPECT_LT(number(row, "cosine.empirical_fisher"), 0.99);
    EXPECT_GT(number(row, "cosine.empirical_fisher"), 0);
    EXPECT_GT(number(row, "rank_correlation.monte_carlo_fisher"), 0.3);
    EXPECT_NEAR(number(row, "mass_1000.hessian"), 1, 1e-12);
    EXPECT_LT(number(row, "mass_1.hessian"), number(row, "mass_9.hessian"));
    EXPECT_GE(number(row, "eigenvalue_1.hessian"), number(row, "eigenvalue_2.hessian"));
    EXPECT_LE(number(row, "eigenvalue_1.empirical_fisher"), number(row, "trace.empirical_fisher"));
    EXPECT_GE(number(row, "eigenvalue_1.empirical_fisher") * 93, number(row, "trace.empirical_fisher"));
  }
  for (const char* file :
       {"config.json", "metrics.csv", "blocks/conv_n20.npz", "blocks/conv+fc2_n60.npz", "plots/fc2_n60.gp",
        "plots/fc2_n60.f32"})
    EXPECT_TRUE(fs::exists(folder / (std::string("a/curvature/") + file))) << file;
}

TEST_F(CurvatureCommand, SameNumbersOnOneThreadOrTwo) {
  ASSERT_EQ(run("--output one --threads 1").code, 0);
  ASSERT_EQ(run("--output two --threads 2").code, 0);
  const auto a = rows("one"), b = rows("two");
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    for (const auto& [name, value] : a[i])
      if (name != "seconds") {
        EXPECT_TRUE(value == *find(b[i], name)) << name;
      }
}

TEST_F(CurvatureCommand, ResumeDoesOnlyWhatIsMissing) {
  ASSERT_EQ(run("--output whole").code, 0);
  const auto expected = rows("whole");
  const fs::path log = folder / "whole/curvature/metrics.jsonl";
  std::vector<std::string> lines;
  std::ifstream in(log);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  in.close();
  ASSERT_EQ(lines.size(), 7u);
  std::ofstream cut(log);  // as after a kill in the third layer
  for (std::size_t i = 0; i < 6; ++i) cut << lines[i] << '\n';
  cut.close();
  fs::remove(folder / "whole/curvature/blocks/conv_n20.npz");
  ASSERT_EQ(run("--output whole --resume").code, 0);
  const auto resumed = rows("whole");
  ASSERT_EQ(resumed.size(), expected.size());
  for (std::size_t i = 0; i < resumed.size(); ++i)
    for (const auto& [name, value] : expected[i])
      if (name != "seconds" || i < 5) {
        EXPECT_TRUE(value == *find(resumed[i], name)) << i << " " << name;
      }
  EXPECT_FALSE(fs::exists(folder / "whole/curvature/blocks/conv_n20.npz"))
      << "a finished layer was done again";
  expect_error("--output whole --resume --set curvature.smoothing=2", 3, {"another configuration", "curvature.smoothing is 1", "--resume"});
}

TEST_F(CurvatureCommand, LargeBlocksAreNotFormed) {
  const Result r = run("--output a --set curvature.max_dense=50");
  ASSERT_EQ(run("--output b").code, 0);
  const auto large = rows("a"), dense = rows("b");
  ASSERT_EQ(large.size(), 6u) << r.output;
  const MetricsRow &joint = large.back(), &reference = dense.back();
  ASSERT_EQ(text(joint, "layer"), "conv+fc2");
  EXPECT_TRUE(std::isnan(number(joint, "cosine.empirical_fisher"))) << "no block, no cosine of blocks";
  for (const char* same : {"trace.hessian", "trace.empirical_fisher", "eigenvalue_1.hessian",
                           "eigenvalue_2.empirical_fisher", "rank_correlation.empirical_fisher"})
    EXPECT_NEAR(number(joint, same), number(reference, same), 2e-4 * std::abs(number(reference, same)))
        << same;
  EXPECT_FALSE(fs::exists(folder / "a/curvature/plots/conv+fc2_n60.gp"));
  EXPECT_TRUE(fs::exists(folder / "a/curvature/blocks/conv+fc2_n60.npz")) << "diagonals and eigenvalues";
}

TEST_F(CurvatureCommand, SaysWhatIsWrong) {
  expect_error("--set 'curvature.layers=[\"fc3\"]'", 3, {"fc3", "fc1"});
  expect_error("--set 'curvature.layers=[\"conv+fc9\"]'", 3, {"fc9"});
  expect_error("--set 'curvature.matrices=[\"hesian\"]'", 3, {"curvature", "empirical_fisher"});
  expect_error("--set 'curvature.examples=[]'", 3, {"examples"});
  expect_error("--set 'curvature.examples=[201]'", 3, {"201", "200"});
  expect_error("--set curvature.index_file=none.json", 4, {"none.json"});
  std::ofstream(folder / "bad.json") << "[1, 2, 300]";
  expect_error("--set curvature.index_file=bad.json", 4, {"300", "200"});
  expect_error("--set curvature.max_dense=2000000000 --set curvature.layers=[] --checkpoint none", 5,
               {"none"});
}

TEST_F(CurvatureCommand, DryRunWritesNothing) {
  const Result r = run("--output a --dry-run");
  EXPECT_EQ(r.code, 0) << r.output;
  EXPECT_NE(r.output.find("Estimate"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder / "a"));
}

}  // namespace
}  // namespace espalier
