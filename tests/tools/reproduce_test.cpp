// espalier reproduce: experiments are folders with an experiment.json, made of ordinary runs. Here one that
// takes a second, on made-up images: it runs, resumes, chooses its best method on held-out images, and judges
// itself beside published numbers; and broken ones are refused with a word about what to do.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "framework/io/atomic_file.h"
#include "framework/io/metrics.h"
#include "paths.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;

struct Outcome {
  int code = -1;
  std::string output;
};

Outcome reproduce(const std::string& arguments) {
  Outcome outcome;
  FILE* pipe =
      popen(("cd " ESPALIER_SOURCE_DIR " && " ESPALIER_CLI " reproduce " + arguments + " 2>&1").c_str(), "r");
  std::array<char, 4096> part{};
  while (pipe && fgets(part.data(), static_cast<int>(part.size()), pipe)) outcome.output += part.data();
  outcome.code = WEXITSTATUS(pclose(pipe));
  return outcome;
}

const char* const common = R"("title": "made up", "seeds": [1, 2],
  "config": {
    "data": {"source": {"type": "synthetic", "train": 120, "test": 60, "height": 8, "width": 8, "noise": 0.1}, "hold_out": 0},
    "model": {"type": "mlpnet", "widths": [6]},
    "train": {"epochs": 10, "batch_size": 20}
  })";

/// A folder with this experiment in it.
fs::path experiment(const testing::TempFolder& temp, const std::string& json) {
  const fs::path folder = temp / "made_up";
  fs::create_directories(folder);
  std::ofstream(folder / "experiment.json") << json;
  return folder;
}

std::string parts(const std::string& list) {
  return "{" + std::string(common) + ", \"parts\": [" + list + "]}";
}

const char* const dense = R"({"name": "dense", "verb": "train"})";
const char* const candidates = R"({"name": "candidates", "start_from": "dense",
  "config": {"data": {"hold_out": 30}, "train": {"epochs": 0}, "prune": {"num_grads": 40, "damp": 1e-3, "inverse": "layer"}},
  "vary": "prune.schedule.final_sparsity", "values": [0.3, 0.6],
  "methods": [{"name": "magnitude", "published": "theirs", "config": {"prune": {"criterion": "magnitude"}}},
              {"name": "WoodFisher"}]})";

TEST(Reproduce, RunsEveryCellOnceAndShowsItBesidePublishedNumbers) {
  const testing::TempFolder temp;
  const fs::path folder =
      experiment(temp, "{" + std::string(common) + ", \"published\": \"published.json\", \"parts\": [" +
                           dense + ", " + candidates + "]}");
  std::ofstream(folder / "published.json")
      << R"({"source": "nobody", "rows": [{"method": "theirs", "accuracy": {"0.3": 0.5, "0.6": 300}}]})";
  const std::string command = folder.string() + " --output " + (temp / "runs").string();
  const Outcome first = reproduce(command);
  ASSERT_EQ(first.code, 0) << first.output;
  // 2 networks, and 2 methods x 2 sparsities x 2 seeds.
  const auto rows = read_metrics((temp / "runs/metrics.jsonl").string());
  ASSERT_EQ(rows.size(), 10U);
  std::map<std::string, int> by_method;
  for (const MetricsRow& row : rows) {
    ++by_method[text(row, "method")];
    if (text(row, "part") != "candidates") continue;
    EXPECT_NEAR(number(row, "sparsity"), std::stod(text(row, "value")), 0.01);
    EXPECT_EQ(number(row, "test_images"), 30) << "the held-out training images";
  }
  EXPECT_EQ(by_method["WoodFisher"], 4);
  EXPECT_NE(first.output.find("above"), std::string::npos) << first.output;
  EXPECT_NE(first.output.find("below"), std::string::npos) << first.output;
  EXPECT_NE(first.output.find("published: theirs"), std::string::npos) << first.output;

  const std::string before = read_whole_file(temp / "runs/metrics.jsonl");
  const Outcome second = reproduce(command);
  EXPECT_NE(second.output.find("all 10 runs are here already"), std::string::npos) << second.output;
  EXPECT_EQ(read_whole_file(temp / "runs/metrics.jsonl"), before) << "finished runs cost nothing";
}

TEST(Reproduce, ChoosesOnHeldOutImagesAndRunsTheChoiceOnTheTestImages) {
  const testing::TempFolder temp;
  const fs::path folder = experiment(temp, parts(std::string(dense) + ", " + candidates + R"(,
    {"name": "ours", "start_from": "dense", "choose_from": "candidates", "config": {"data": {"hold_out": 0}},
     "vary": "prune.schedule.final_sparsity", "values": [0.6]})"));
  const Outcome run = reproduce(folder.string() + " --output " + (temp / "runs").string());
  ASSERT_EQ(run.code, 0) << run.output;
  std::map<std::string, double> held_out;
  std::string chosen;
  for (const MetricsRow& row : read_metrics((temp / "runs/metrics.jsonl").string())) {
    if (text(row, "part") == "candidates" && text(row, "value") == "0.6")
      held_out[text(row, "method")] += number(row, "test_accuracy");
    if (text(row, "part") != "ours") continue;
    chosen = text(row, "method");
    EXPECT_EQ(number(row, "test_images"), 60);
  }
  ASSERT_FALSE(chosen.empty());
  for (const auto& [method, accuracy] : held_out) EXPECT_GE(held_out[chosen], accuracy) << method;
}

TEST(Reproduce, EveryLevelOfOneRunIsAResultAndTheBestOverAllOfThemIsChosen) {
  const testing::TempFolder temp;
  const fs::path folder = experiment(temp, parts(std::string(dense) + R"(,
    {"name": "candidates", "start_from": "dense", "every_level": true, "seeds": [1],
     "config": {"data": {"hold_out": 30}, "train": {"epochs": 0}, "prune": {"num_grads": 40, "damp": 1e-3,
       "inverse": "layer", "num_recomputations": 2,
       "schedule": {"type": "steps", "epochs": [0, 0, 0], "sparsities": [0.3, 0.6, 0.95]}}},
     "methods": [{"name": "magnitude", "config": {"prune": {"criterion": "magnitude"}}}, {"name": "WoodFisher"}]},
    {"name": "ours", "start_from": "dense", "choose_from": "candidates", "every_level": true, "seeds": [1],
     "config": {"data": {"hold_out": 0}}})"));
  const Outcome run = reproduce(folder.string() + " --output " + (temp / "runs").string());
  ASSERT_EQ(run.code, 0) << run.output;
  std::map<std::string, double> sums;
  std::map<std::string, std::vector<std::string>> values;
  std::string chosen;
  for (const MetricsRow& row : read_metrics((temp / "runs/metrics.jsonl").string())) {
    const std::string part = text(row, "part"), value = text(row, "value");
    if (part == "dense") continue;
    if (part == "candidates") sums[text(row, "method")] += number(row, "test_accuracy");
    if (part == "ours") chosen = text(row, "method");
    values[part + text(row, "method")].push_back(value);
    EXPECT_NEAR(number(row, "sparsity"), std::stod(value), 0.01);
    EXPECT_EQ(number(row, "steps"), value == "0.3" ? 2 : value == "0.6" ? 4 : 6) << "sub-steps until there";
    EXPECT_EQ(number(row, "test_images"), part == "ours" ? 60 : 30);
  }
  ASSERT_EQ(values.size(), 3U) << run.output;
  for (const auto& [name, of] : values)
    EXPECT_EQ(of, (std::vector<std::string>{"0.3", "0.6", "0.95"})) << name;
  for (const auto& [method, sum] : sums) EXPECT_GE(sums[chosen], sum) << method;
  // Sub-steps are counted through the epoch: each has its own examples, and its own key in the report.
  std::vector<double> steps;
  for (const MetricsRow& row : read_metrics((temp / "runs/ours" / chosen / "seed-1/metrics.jsonl").string()))
    if (text(row, "event") == "prune") steps.push_back(number(row, "sub_step"));
  EXPECT_EQ(steps, (std::vector<double>{1, 2, 3, 4, 5, 6}));
}

TEST(Reproduce, RunsOnlyWhatIsAskedForAndWhatItStartsFrom) {
  const testing::TempFolder temp;
  const fs::path folder = experiment(temp, parts(std::string(dense) + ", " + candidates));
  const std::string command = folder.string() + " --output " + (temp / "runs").string() + " --only ";
  ASSERT_EQ(reproduce(command + "'WoodFisher, final_sparsity 0.6, seed 2'").code, 0);
  std::vector<std::string> runs;
  for (const MetricsRow& row : read_metrics((temp / "runs/metrics.jsonl").string()))
    runs.push_back(text(row, "run"));
  EXPECT_EQ(runs, (std::vector<std::string>{"dense, seed 2",
                                            "candidates, WoodFisher, final_sparsity 0.6, seed 2"}));
  EXPECT_EQ(reproduce(command + "nothing").code, 2);
  EXPECT_EQ(reproduce(command + "dense --record").code, 2) << "a part of the results is not the results";
}

TEST(Reproduce, RecordsTablesCurvesAndConfigsOfAGradualRunFromTheOnlyNetworkThereIs) {
  const testing::TempFolder temp;
  const fs::path folder = experiment(temp, parts(R"({"name": "dense", "verb": "train", "seeds": [7]},
    {"name": "gradual", "start_from": "dense", "show": ["test_accuracy", "layer_sparsity", "measured_loss_change"],
     "config": {"train": {"epochs": 3}, "prune": {"num_grads": 40, "damp": 1e-3, "inverse": "layer",
       "schedule": {"type": "linear", "end_epoch": 2}}},
     "vary": "prune.schedule.final_sparsity", "values": [0.5, 0.8]})"));
  const std::string records = " --records " + (temp / "records").string();
  const Outcome run = reproduce(folder.string() + " --record --output " + (temp / "runs").string() + records);
  ASSERT_EQ(run.code, 0) << run.output;
  const fs::path recorded = temp / "records/made_up";
  const std::string curves = read_whole_file(recorded / "curves.csv");
  // A step after each of two epochs, for two sparsities and two seeds; the second ends at the target.
  std::size_t steps = 0;
  for (std::size_t at = 0; (at = curves.find(",prune,", at)) != std::string::npos; ++at) ++steps;
  EXPECT_EQ(steps, 8U) << curves;
  EXPECT_NE(curves.find(",prune,2,0.8"), std::string::npos) << curves;
  const std::string page = read_whole_file(recorded / "README.md");
  for (const char* part : {"made up", "| test accuracy [%] | 0.5 | 0.8 |", "sparsity of each layer",
                           "| measured loss change | 0.5 | 0.8 |", "Recorded 20"})
    EXPECT_NE(page.find(part), std::string::npos) << part << " in\n" << page;
  EXPECT_EQ(page.find("unknown CPU"), std::string::npos);
  const std::string configs = read_whole_file(recorded / "configs.jsonl");
  EXPECT_NE(configs.find("data_hash"), std::string::npos);
  EXPECT_EQ(std::count(configs.begin(), configs.end(), '\n'), 2) << "one of each part: " << configs;
  EXPECT_EQ(reproduce(folder.string() + " --recorded" + records).code, 0);
  EXPECT_FALSE(fs::exists(folder / "results.jsonl")) << "an experiment's folder holds what people write";
}

TEST(Reproduce, RepeatsWhatChanged) {
  const testing::TempFolder temp;
  const std::string list = std::string(dense) + ", " + candidates;
  const fs::path folder = experiment(temp, parts(list));
  const std::string command = folder.string() + " --output " + (temp / "runs").string();
  ASSERT_EQ(reproduce(command).code, 0);
  std::string changed = parts(list);
  changed.replace(changed.find("\"damp\": 1e-3"), 12, "\"damp\": 1e-2");
  experiment(temp, changed);
  const Outcome again = reproduce(command);
  EXPECT_NE(again.output.find("candidates 1/8"), std::string::npos) << again.output;
  EXPECT_EQ(again.output.find("dense 1/2"), std::string::npos) << "the networks are as they were";
  EXPECT_EQ(read_metrics((temp / "runs/metrics.jsonl").string()).size(), 10U);
  experiment(temp, parts(dense));
  ASSERT_EQ(reproduce(command).code, 0);
  EXPECT_EQ(read_metrics((temp / "runs/metrics.jsonl").string()).size(), 2U) << "what is gone is dropped";
}

TEST(Reproduce, RefusesBrokenExperimentsBeforeAnythingRuns) {
  const testing::TempFolder temp;
  const auto refused = [&](const std::string& json, const std::string& about) {
    const Outcome run = reproduce(experiment(temp, json).string() + " --output " + (temp / "runs").string());
    EXPECT_EQ(run.code, 3) << run.output;
    EXPECT_NE(run.output.find(about), std::string::npos) << run.output;
    EXPECT_FALSE(fs::exists(temp / "runs")) << "nothing was begun";
  };
  refused(parts(R"({"name": "a", "verbb": "train"})"), "did you mean \"verb\"");
  refused(parts(R"({"name": "a", "start_from": "b"})"), "must name a part that comes before");
  refused(parts(R"({"name": "a"}, {"name": "a"})"), "as an earlier part's");
  refused(parts(R"({"name": "a", "values": [1]})"), "comes together with \"vary\"");
  refused(
      parts(R"({"name": "a", "methods": [{"name": "m", "config": {"prune": {"critrion": "magnitude"}}}]})"),
      "critrion");
  refused(parts(R"({"name": "a", "every_level": true, "vary": "prune.damp", "values": [1]})"),
          "varies prune.damp");
  refused(parts(R"({"name": "a", "show": ["test_acuracy"]})"), "did you mean \"test_accuracy\"");
  const Outcome unknown = reproduce("mlpnet_mnits");
  EXPECT_EQ(unknown.code, 2);
  EXPECT_NE(unknown.output.find("did you mean \"mlpnet_mnist\""), std::string::npos) << unknown.output;
}

TEST(Reproduce, TablesInTheReadmesAreThoseRecorded) {
  for (const char* file : {"/README.md", "/configs/reproduce/README.md"}) {
    const std::string page = read_whole_file(std::string(ESPALIER_SOURCE_DIR) + file);
    const std::string open = "<!-- reproduce ";
    int lines = 0;
    for (std::size_t at = 0; (at = page.find(open, at)) != std::string::npos;) {
      at += open.size();
      const std::string name = page.substr(at, page.find(' ', at) - at);
      const Outcome recorded = reproduce(name + " --markdown");
      ASSERT_EQ(recorded.code, 0) << recorded.output;
      std::istringstream part(page.substr(at, page.find("<!-- end -->", at) - at));
      for (std::string line; std::getline(part, line);)
        if (line.starts_with("|")) {
          EXPECT_NE(recorded.output.find(line + "\n"), std::string::npos)
              << file << ": espalier reproduce " << name << " --markdown has no line\n"
              << line;
          ++lines;
        }
    }
    EXPECT_GT(lines, 0) << file;
  }
}

TEST(Reproduce, EveryCommittedExperimentIsListedAndItsConfigsAreValid) {
  const Outcome list = reproduce("--list");
  EXPECT_EQ(list.code, 0) << list.output;
  for (const auto& entry : fs::directory_iterator(ESPALIER_SOURCE_DIR "/configs/reproduce")) {
    if (!entry.is_directory()) continue;
    const testing::TempFolder temp;
    const std::string name = entry.path().filename().string();
    EXPECT_NE(list.output.find(name), std::string::npos) << name;
    for (const char* size : {"", " --quick"}) {
      const Outcome run = reproduce(name + " --dry-run --output " + (temp / "runs").string() + size);
      EXPECT_EQ(run.code, 0) << run.output;
    }
  }
}

}  // namespace
}  // namespace espalier
