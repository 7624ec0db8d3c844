// `espalier benchmark`: rows that tools/compare_with_pytorch can read, for every job.
// Says nothing about speed.
#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/wait.h>

#include <sstream>
#include <string>
#include <vector>

#include "paths.h"

namespace espalier {
namespace {

struct Output {
  int code;
  std::vector<std::vector<std::string>> rows;
  std::string text;
};

Output benchmark(const std::string& arguments) {
  const std::string command =
      std::string(ESPALIER_CLI) + " benchmark --seconds 0 --repetitions 1 " + arguments + " 2>&1";
  Output result;
  FILE* pipe = popen(command.c_str(), "r");
  char buffer[4096];
  while (const std::size_t got = fread(buffer, 1, sizeof buffer, pipe)) result.text.append(buffer, got);
  result.code = WEXITSTATUS(pclose(pipe));
  std::istringstream lines(result.text);
  for (std::string line; std::getline(lines, line);) {
    result.rows.emplace_back();
    std::size_t begin = 0, tab = 0;
    while ((tab = line.find('\t', begin)) != std::string::npos) {
      result.rows.back().push_back(line.substr(begin, tab - begin));
      begin = tab + 1;
    }
    result.rows.back().push_back(line.substr(begin));
  }
  return result;
}

TEST(Benchmark, EveryJobPrintsRowsOfElevenColumns) {
  struct Case {
    const char *job, *arguments, *unit;
  };
  for (const Case& c : {Case{"train", "--model mlpnet_mnist --batches 8", "images/s"},
                        Case{"infer", "--model cifarnet --batches 8", "images/s"},
                        Case{"conv", "--model cifarnet --batches 2", "GFLOP/s"},
                        Case{"fisher", "--model mlpnet_mnist --gradients 10 --block-sizes 100", "s/block"}}) {
    const Output out = benchmark("--threads 1 --job " + std::string(c.job) + " " + c.arguments);
    ASSERT_EQ(out.code, 0) << out.text;
    ASSERT_GE(out.rows.size(), 2u) << out.text;
    const std::vector<std::string> header{"job",    "model", "variant", "threads", "batch", "unit",
                                          "median", "min",   "max",     "reps",    "note"};
    EXPECT_EQ(out.rows[0], header);
    bool found = false;
    for (std::size_t r = 1; r < out.rows.size(); ++r) {
      ASSERT_EQ(out.rows[r].size(), header.size()) << out.text;
      EXPECT_EQ(out.rows[r][0], c.job);
      EXPECT_EQ(out.rows[r][3], "1");
      EXPECT_GT(std::stod(out.rows[r][6]), 0);
      found = found || out.rows[r][5] == c.unit;
    }
    EXPECT_TRUE(found) << "no row in " << c.unit << ":\n" << out.text;
  }
}

TEST(Benchmark, UnknownNamesAreUsageErrors) {
  const Output job = benchmark("--job trian");
  EXPECT_EQ(job.code, 2);
  EXPECT_NE(job.text.find("did you mean \"train\""), std::string::npos) << job.text;
  const Output model = benchmark("--job train --model resnet21");
  EXPECT_EQ(model.code, 2);
  EXPECT_NE(model.text.find("resnet20"), std::string::npos) << model.text;
}

TEST(CompareWithPytorch, SkipsWithAMessageWhereThereIsNoPytorch) {
  const std::string command =
      "python3 " ESPALIER_SOURCE_DIR "/tools/compare_with_pytorch --python /nonexistent/python 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  char buffer[4096];
  std::string text(buffer, fread(buffer, 1, sizeof buffer, pipe));
  EXPECT_EQ(WEXITSTATUS(pclose(pipe)), 0) << text;
  EXPECT_NE(text.find("skipped: PyTorch is not installed"), std::string::npos) << text;
}

}  // namespace
}  // namespace espalier
