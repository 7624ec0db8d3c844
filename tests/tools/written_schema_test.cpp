// What the program writes for programs has the shape that it says: lines of metrics.jsonl and the recorded results of
// experiments fit tools/run/metrics.schema.json, `explain --json` fits tools/explain/explain.schema.json, and both
// files, like the table of columns for people, are the program's own. Judged by Python's jsonschema, which knows
// nothing of this program.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "framework/io/atomic_file.h"
#include "paths.h"
#include "tests/support/temp_folder.h"
#include "tools/explain/explain_schema.h"
#include "tools/run/rows.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const fs::path source = ESPALIER_SOURCE_DIR;

TEST(WrittenSchema, CommittedFilesAreWhatTheProgramPrints) {
  EXPECT_TRUE(read_whole_file(source / "tools/run/metrics.schema.json") == metrics_schema() + "\n")
      << "run: build/release/espalier schema metrics > tools/run/metrics.schema.json";
  EXPECT_TRUE(read_whole_file(source / "tools/explain/explain.schema.json") == explain_schema() + "\n")
      << "run: build/release/espalier schema explain > tools/explain/explain.schema.json";
  EXPECT_TRUE(read_whole_file(source / "tools/run/columns.md").ends_with("\n\n" + columns_markdown()))
      << "put the output of build/release/espalier columns below the head of tools/run/columns.md";
}

TEST(WrittenSchema, EveryColumnIsDeclaredOnceInItsKindAndSaysWhatItIs) {
  for (const RowKind& kind : all_row_kinds())
    for (const Column& c : kind.columns) {
      EXPECT_FALSE(c.about.empty()) << kind.event << " " << c.name;
      EXPECT_EQ(kind.find(c.many() ? c.name + "x" : c.name), &c) << kind.event << " " << c.name;
    }
}

TEST(WrittenSchema, ARowReadsBackAsItWasWritten) {
  CellRow cell{.criterion = "woodfisher", .damp = 1e-3, .scope = "global", .target = 0.5};
  const MetricsRow row = to_row(cell);
  EXPECT_EQ(text(row, "event"), "cell");
  EXPECT_EQ(find(row, "update"), nullptr) << "what does not enter is no column";
  EXPECT_FALSE(read_row<PruneRow>(row)) << "another kind";
  const auto back = read_row<CellRow>(row);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->criterion, "woodfisher");
  EXPECT_EQ(back->damp, 1e-3);
  EXPECT_FALSE(back->update || back->failed);

  PruneRow step{.epoch = 3};
  step.sparsities = {{"conv1", 0.25}, {"fc", 0.5}};
  const auto again = read_row<PruneRow>(to_row(step));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->epoch, 3);
  EXPECT_EQ(again->sparsities, step.sparsities);
}

/// For each document whether it fits the schema in the file.
std::vector<bool> fits(const fs::path& schema, const json& documents) {
  const testing::TempFolder folder;
  std::ofstream(folder / "documents.json") << documents;
  std::ofstream(folder / "judge.py")
      << "import json, sys, warnings\nwarnings.simplefilter('ignore')\nimport jsonschema\n"
         "v = jsonschema.Draft7Validator(json.load(open(sys.argv[1])))\n"
         "json.dump([v.is_valid(d) for d in json.load(open(sys.argv[2]))], open(sys.argv[3], 'w'))\n";
  const std::string command = "/usr/bin/python3 " + (folder / "judge.py").string() + " " + schema.string() +
                              " " + (folder / "documents.json").string() + " " +
                              (folder / "verdicts.json").string();
  EXPECT_EQ(std::system(command.c_str()), 0);
  return json::parse(read_whole_file(folder / "verdicts.json")).get<std::vector<bool>>();
}

bool judge_is_here() { return std::system("/usr/bin/python3 -c 'import jsonschema' 2> /dev/null") == 0; }

void append_lines(json& documents, const fs::path& file) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) documents.push_back(json::parse(line));
}

/// Runs the program quietly.
void run(const std::string& arguments) {
  ASSERT_EQ(std::system((std::string(ESPALIER_CLI) + " " + arguments + " > /dev/null 2>&1").c_str()), 0)
      << arguments;
}

std::string small_config(const testing::TempFolder& folder) {
  std::ofstream(folder / "config.json")
      << R"({"data": {"source": {"type": "synthetic", "classes": 3, "train": 200,
    "test": 60, "height": 8, "width": 8, "channels": 1}}, "model": {"type": "mlpnet", "widths": [6]},
    "train": {"epochs": 2, "batch_size": 20},
    "prune": {"num_grads": 40, "damp": "auto", "held_out_examples": 40, "inverse": "layer", "flops_target": 0.4,
      "schedule": {"type": "one_shot", "final_sparsity": 0.5, "epoch": 1}},
    "sweep": {"criteria": ["magnitude", "woodfisher"], "sparsities": [0.5, 0.99]},
    "curvature": {"layers": ["fc2"], "examples": [20], "eigenvalues": 2, "block_sizes": [1, 4]}})";
  return (folder / "config.json").string();
}

TEST(WrittenSchema, EveryLineOfMetricsFits) {
  if (!judge_is_here()) GTEST_SKIP() << "Debian package python3-jsonschema is not installed";
  const testing::TempFolder folder;
  const std::string config = small_config(folder);
  for (const char* verb : {"train", "prune", "curvature"})
    run(fmt::format("{} {} --no-report --output {}/{}", verb, config, folder.path().string(), verb));
  run(fmt::format("sweep {} --no-report --output {}/sweep --set prune.damp=1e-3 --set prune.flops_target=0",
                  config, folder.path().string()));
  json rows = json::array();
  for (const char* log : {"train", "prune", "curvature/curvature", "sweep"})
    append_lines(rows, folder / log / "metrics.jsonl");
  std::set<std::string> events;
  for (const json& row : rows) events.insert(row["event"]);
  EXPECT_EQ(events,
            (std::set<std::string>{"cell", "curvature", "damp", "dense", "done", "epoch", "notice", "prune",
                                   "start"}));
  for (const auto& entry : fs::directory_iterator(source / "tools/experiments/recorded"))
    append_lines(rows, entry.path() / "results.jsonl");
  const std::size_t good = rows.size();
  ASSERT_GT(good, 2000U) << "the recorded results were not found";
  json wrong = rows[0];
  wrong["test_acuracy"] = 0.5;  // a column that nothing declares
  rows.push_back(wrong);
  wrong = rows[0];
  wrong.erase("epoch");
  rows.push_back(wrong);
  wrong = rows[0];
  wrong["event"] = "epochs";
  rows.push_back(wrong);
  const std::vector<bool> verdicts = fits(source / "tools/run/metrics.schema.json", rows);
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(verdicts[i], i < good) << rows[i].dump();
}

TEST(WrittenSchema, ExplainSaysTheSameKeysWhateverTheValues) {
  if (!judge_is_here()) GTEST_SKIP() << "Debian package python3-jsonschema is not installed";
  const testing::TempFolder folder;
  json documents = json::array();
  const auto explain = [&](const std::string& arguments) {
    const std::string out = (folder / "out.json").string();
    ASSERT_EQ(std::system((std::string(ESPALIER_CLI) + " explain --json " + arguments + " > " + out).c_str()),
              0);
    documents.push_back(json::parse(read_whole_file(out)));
  };
  const auto problem = [&](const std::string& text) {
    std::ofstream(folder / "problem.json") << text;
    explain((folder / "problem.json").string());
  };
  explain((source / "configs/explain_example.json").string());  // ranking misses the best pair by far
  problem(
      R"({"gradients": [[1, 0, 0], [0, 1, 0]], "weights": [1, 2, 3], "lambda": 0.5})");  // here it does not
  problem(R"({"gradients": [[0.1, 0, 7], [0.3, 1e-7, 0]], "weights": [1, 1e5, 0], "lambda": 0.3})");
  problem(R"({"gradients": [[1]], "weights": [1], "lambda": 1, "per_example_gradients": [[1], [1]]})");
  EXPECT_EQ(documents[0].size(), documents[1].size());
  EXPECT_EQ(documents[1].size(), documents[2].size());
  for (const auto& [key, value] : documents[0].items()) EXPECT_TRUE(documents[1].contains(key)) << key;
  explain(small_config(folder) +
          " --quiet --set prune.damp=1e-3 --set prune.flops_target=0 --weight 'fc2[1,2]'");
  const std::size_t good = documents.size();
  json wrong = documents[0];
  wrong["surprise"] = 1;
  documents.push_back(wrong);
  const std::vector<bool> verdicts = fits(source / "tools/explain/explain.schema.json", documents);
  for (std::size_t i = 0; i < documents.size(); ++i) EXPECT_EQ(verdicts[i], i < good) << documents[i].dump(1);
}

}  // namespace
}  // namespace espalier
