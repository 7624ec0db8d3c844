// The program as a user meets it: whole runs on small synthetic data, stopped, resumed, repeated, and
// everything that can be wrong with its input. Each failure must end in a message and its own exit code.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "paths.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;

std::string slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

struct Result {
  int code;
  std::string output;
};

class CommandLine : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    dir = fs::temp_directory_path() /
          ("espalier_cli_" + std::string(test->name()) + "_" + std::to_string(::getpid()));
    fs::create_directories(dir);
    write("run.json", R"({
      "name": "small", "seed": 3,
      "data": {"source": {"type": "synthetic", "classes": 4, "train": 512, "test": 128, "height": 16, "width": 16, "channels": 1},
               "augment": {"crop_padding": 1}},
      "model": {"type": "sequential", "layers": [
        {"type": "conv", "name": "conv", "out": 6, "kernel": 3, "pad": 1}, "batch_norm", "relu", {"type": "max_pool", "kernel": 2},
        "flatten", {"type": "dropout", "rate": 0.1}, {"type": "linear", "name": "fc", "out": 4}]},
      "train": {"epochs": 4, "batch_size": 32, "learning_rate": {"type": "cosine", "rate": 0.05}},
      "prune": {"criterion": "woodtaylor", "inverse": {"type": "block", "fisher_block_size": 100}, "num_grads": 32,
                "schedule": {"type": "cubic", "final_sparsity": 0.8, "start_epoch": 1, "end_epoch": 3}}
    })");
  }
  void TearDown() override { fs::remove_all(dir); }
  void write(const std::string& name, const std::string& text) { std::ofstream(dir / name) << text; }

  pid_t start(const std::vector<std::string>& arguments, rlim_t file_limit = RLIM_INFINITY,
              rlim_t address_space = RLIM_INFINITY) {
    const pid_t child = fork();
    if (child != 0) return child;
    if (file_limit != RLIM_INFINITY) {
      const rlimit limit{file_limit, file_limit};
      setrlimit(RLIMIT_FSIZE, &limit);
      signal(SIGXFSZ, SIG_IGN);  // so that writing fails with an error, as on a full disk
    }
    if (address_space != RLIM_INFINITY) {
      const rlimit limit{address_space, address_space};
      setrlimit(RLIMIT_AS, &limit);
    }
    if (!freopen((dir / "output.txt").c_str(), "w", stdout) || dup2(1, 2) < 0 || chdir(dir.c_str()) != 0)
      _exit(99);
    std::vector<char*> argv{const_cast<char*>(ESPALIER_CLI)};
    for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    execv(ESPALIER_CLI, argv.data());
    _exit(98);
  }
  Result finish(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status), slurp(dir / "output.txt")};
  }
  Result run(const std::vector<std::string>& arguments) { return finish(start(arguments)); }
  Result prune(std::vector<std::string> more) {
    more.insert(more.begin(), {"prune", "run.json", "--quiet"});
    return run(more);
  }
  void expect_error(const Result& r, int code, std::initializer_list<const char*> parts) {
    EXPECT_EQ(r.code, code) << r.output;
    for (const char* part : parts)
      EXPECT_NE(r.output.find(part), std::string::npos) << "no '" << part << "' in:\n" << r.output;
  }
  std::string weights(const std::string& run) { return slurp(dir / run / "checkpoint.safetensors"); }

  fs::path dir;
};

TEST_F(CommandLine, PruneTrainsPrunesAndReports) {
  const Result r = prune({"--output", "a"});
  ASSERT_EQ(r.code, 0) << r.output;
  for (const char* part : {"dense, before the first step", "after pruning", "after fine-tuning", "80.00 %",
                           "conv", "fc", "checkpoint.safetensors"})
    EXPECT_NE(r.output.find(part), std::string::npos) << part << " in:\n" << r.output;
  for (const char* file : {"config.json", "metrics.jsonl", "metrics.csv", "checkpoint.safetensors",
                           "dense.safetensors", "plots/accuracy.gp"})
    EXPECT_TRUE(fs::exists(dir / "a" / file)) << file;
  const Result evaluated = run({"evaluate", "a/config.json", "--checkpoint", "a/checkpoint.safetensors"});
  EXPECT_EQ(evaluated.code, 0) << evaluated.output;
  EXPECT_NE(evaluated.output.find("sparsity of weights 80.0"), std::string::npos) << evaluated.output;
}

TEST_F(CommandLine, InfoShowsTheNetworkOfAConfigARunAndACheckpoint) {
  // 16x16 pixels x 6 maps x 9 taps, and 384 features x 4 classes.
  const Result fresh = run({"info", "run.json"});
  for (const char* part :
       {"conv", "{16,16,6}", "batch_norm + relu", "13,824", "1,540", "1,536", "0.00 %", "fresh"})
    EXPECT_NE(fresh.output.find(part), std::string::npos) << part << " in:\n" << fresh.output;
  ASSERT_EQ(prune({"--output", "a"}).code, 0);
  const Result of_run = run({"info", "a"}), of_file = run({"info", "a/checkpoint.safetensors"});
  EXPECT_EQ(of_run.code, 0) << of_run.output;
  EXPECT_EQ(of_run.output, of_file.output);
  EXPECT_NE(of_run.output.find("80.00 %"), std::string::npos) << of_run.output;
  write("other.safetensors", std::string("\x02\0\0\0\0\0\0\0{}", 10));
  expect_error(run({"info", "other.safetensors"}), 5, {"other.safetensors", "resolved_config"});
}

TEST_F(CommandLine, SameSeedSameBitsOnOneThreadOrTwo) {
  ASSERT_EQ(prune({"--output", "one", "--threads", "1"}).code, 0);
  ASSERT_EQ(prune({"--output", "two", "--threads", "2"}).code, 0);
  EXPECT_TRUE(weights("one") == weights("two"));
  ASSERT_EQ(prune({"--output", "other", "--set", "seed=4"}).code, 0);
  EXPECT_FALSE(weights("one") == weights("other"));
}

TEST_F(CommandLine, ARecordedConfigRepeatsItsRunAndKnowsItsData) {
  ASSERT_EQ(prune({"--output", "a"}).code, 0);
  ASSERT_EQ(run({"prune", "a/config.json", "--quiet", "--output", "b"}).code, 0);
  EXPECT_TRUE(weights("a") == weights("b"));
  expect_error(run({"prune", "a/config.json", "--output", "c", "--set", "data.source.seed=9"}), 4,
               {"data_hash", "SHA-256"});
}

TEST_F(CommandLine, ResumeContinuesToTheSameBitsWhereverTheRunWasStopped) {
  ASSERT_EQ(prune({"--output", "whole"}).code, 0);
  const std::string expected = weights("whole");
  const std::vector<std::string> arguments{"prune", "run.json", "--quiet", "--output", "parts", "--resume"};
  // Kill without warning at several moments, then interrupt politely, then let it finish.
  for (const auto& [stop, milliseconds] :
       std::vector<std::pair<int, int>>{{SIGKILL, 60}, {SIGKILL, 140}, {SIGINT, 120}, {SIGTERM, 90}}) {
    const pid_t child = start(arguments);
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    kill(child, stop);
    const Result r = finish(child);
    if (stop != SIGKILL && r.code != 0 && r.code < 1000) {
      EXPECT_EQ(r.code, 130) << r.output;
    }
  }
  const Result last = run(arguments);
  ASSERT_EQ(last.code, 0) << last.output;
  EXPECT_TRUE(weights("parts") == expected) << "the resumed run ended with other bits";
  const auto rows = [&](const char* run) {
    const std::string text = slurp(dir / run / "metrics.jsonl");
    return std::count(text.begin(), text.end(), '\n');
  };
  EXPECT_EQ(rows("parts"), rows("whole"));
  const auto written = fs::last_write_time(dir / "parts" / "checkpoint.safetensors");
  const Result again = run({"prune", "run.json", "--output", "parts", "--resume"});
  EXPECT_NE(again.output.find("up to date"), std::string::npos) << again.output;
  EXPECT_EQ(fs::last_write_time(dir / "parts" / "checkpoint.safetensors"), written);
  expect_error(run({"prune", "run.json", "--output", "parts", "--resume", "--set", "seed=5"}), 3,
               {"another configuration"});
}

TEST_F(CommandLine, WrongUsageAndConfigsAreExplained) {
  expect_error(run({"prnue", "run.json"}), 2, {"prnue", "did you mean \"prune\"?"});
  expect_error(run({"prune"}), 2, {"CONFIG"});
  expect_error(run({"prune", "none.json"}), 3, {"none.json"});
  expect_error(prune({"--set", "train.epoch=3"}), 3,
               {"run.json: train has no setting \"epoch\"", "did you mean \"epochs\"?"});
  expect_error(prune({"--set", "train.epochs=\"many\""}), 3, {"train.epochs", "integer"});
  expect_error(prune({"--set", "prune.damp=-1"}), 3, {"prune.damp", "greater than 0"});
  expect_error(prune({"--set", "prune.criterion=woodfischer"}), 3, {"did you mean \"woodfisher\"?"});
  expect_error(prune({"--set", "prune.schedule.end_epoch=9"}), 3, {"prune.schedule", "train.epochs is 4"});
  expect_error(prune({"--set", "prune.include=[\"conv9\"]"}), 3, {"conv9", "did you mean \"conv\"?"});
  expect_error(prune({"--set", "prune=null"}), 3, {"no \"prune\" section"});
  expect_error(prune({"--set", "data.source.height=1"}), 3, {"model: step '3' (max_pool)", "larger than its input"});
}

TEST_F(CommandLine, HelpOfEveryVerbNamesItsOptions) {
  for (const char* verb : {"train", "prune"}) {
    const Result r = run({verb, "--help"});
    EXPECT_EQ(r.code, 0);
    for (const char* option :
         {"CONFIG", "--set", "--resume", "--output", "--threads", "--quiet", "Exit codes"})
      EXPECT_NE(r.output.find(option), std::string::npos) << verb << " " << option;
  }
}

TEST_F(CommandLine, NonFiniteLossStopsAndKeepsTheLastGoodCheckpoint) {
  const Result r = run({"train", "run.json", "--quiet", "--output", "a", "--set",
                        "train.learning_rate={\"type\": \"multi_step\", \"rate\": 0.05, \"gamma\": 1e30, "
                        "\"milestones\": [2]}"});
  expect_error(r, 6, {"not finite at epoch 3", "checkpoint.safetensors"});
  EXPECT_EQ(run({"evaluate", "run.json", "--checkpoint", "a/checkpoint.safetensors"}).code, 0);
}

TEST_F(CommandLine, ALayerThatWouldLoseAllItsWeightsIsRefused) {
  expect_error(
      prune({"--output", "a", "--set", "prune.schedule={\"type\": \"one_shot\", \"final_sparsity\": 0.999}",
             "--set", "prune.criterion=magnitude"}),
      9, {"layer", "min_kept_per_layer"});
}

TEST_F(CommandLine, AJobThatDoesNotFitIsRefusedWithWhatWould) {
  expect_error(prune({"--set", "data.source.train=300000", "--set", "prune.num_grads=299999", "--set",
                      "prune.inverse=full", "--set", "model=lenet"}),
               7, {"num_grads", "would fit", "gradient matrix"});
}

TEST_F(CommandLine, CriteriaInversesUpdatesAndOptimizersCompose) {
  const std::vector<std::string> once{
      "--output", "a",
      "--set",    "train.epochs=1",
      "--set",    "prune.schedule={\"type\": \"one_shot\", \"final_sparsity\": 0.6, \"epoch\": 1}"};
  const auto with = [&](std::initializer_list<const char*> settings) {
    std::vector<std::string> arguments = once;
    for (const char* setting : settings) arguments.insert(arguments.end(), {"--set", setting});
    const Result r = prune(arguments);
    EXPECT_EQ(r.code, 0) << r.output;
    EXPECT_NE(r.output.find("60.00 %"), std::string::npos) << r.output;
    return r.output;
  };
  for (const char* criterion : {"prune.criterion=magnitude", "prune.criterion=diagonal_fisher",
                                "prune.criterion=woodfisher", "prune.criterion=woodtaylor"})
    for (const char* update : {"prune.update=none", "prune.update=simultaneous", "prune.update=joint"})
      with({criterion, update});
  for (const char* inverse : {"prune.inverse=full", "prune.inverse=layer", "prune.inverse=dense"})
    with({inverse});
  with({"prune.inverse=diagonal", "prune.scope=layerwise"});
  with({"prune.grad_batch_size=7", "prune.num_recomputations=3", "prune.recomputation_levels=geometric"});
  with({"prune.num_grads=1", "train.optimizer=adam", "train.batch_size=512",
        "prune.recalibrate_batch_norm=false"});
  EXPECT_NE(prune({"--set", "prune.update=joint", "--set", "prune.inverse=diagonal"}).code, 0);
}

TEST_F(CommandLine, DryRunPrintsTheResolvedConfigAndTheEstimate) {
  const Result r = prune({"--dry-run", "--output", "a"});
  EXPECT_EQ(r.code, 0);
  for (const char* part : {"\"fisher_block_size\": 100", "\"data_hash\"", "memory in all", "gradient matrix"})
    EXPECT_NE(r.output.find(part), std::string::npos) << part;
  EXPECT_FALSE(fs::exists(dir / "a"));
}

TEST_F(CommandLine, AFullDiskEndsInAnErrorThatNamesTheFile) {
  const Result r = finish(start({"prune", "run.json", "--quiet", "--output", "a"}, 4096));
  EXPECT_EQ(r.code, 8) << r.output;
  EXPECT_NE(r.output.find("a/"), std::string::npos) << r.output;
}

TEST_F(CommandLine, CtrlCWhileTheDataLoadEndsAtOnce) {
  const pid_t child =
      start({"prune", "run.json", "--output", "a", "--set", "data.source.train=3000000"});  // ~ 10 s
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  kill(child, SIGINT);
  EXPECT_EQ(finish(child).code, 1000 + SIGINT);
  EXPECT_FALSE(fs::exists(dir / "a"));
}

TEST_F(CommandLine, ARunThatReplacesAnotherAndIsKilledEarlyIsNotMistakenForIt) {
  ASSERT_EQ(prune({"--output", "a"}).code, 0);
  const std::string expected = weights("a");
  // Begun anew and stopped before the first epoch ends: a limit of the file size stands for the kill.
  const Result stopped = finish(start({"prune", "run.json", "--quiet", "--output", "a"}, 4096));
  ASSERT_EQ(stopped.code, 8) << stopped.output;
  const Result resumed = run({"prune", "run.json", "--quiet", "--output", "a", "--resume"});
  EXPECT_EQ(resumed.code, 0) << resumed.output;
  EXPECT_TRUE(weights("a") == expected);
  // A dense run in the folder of a pruned one does not show the other's dense network as its own.
  const Result dense = run({"train", "run.json", "--quiet", "--output", "a"});
  EXPECT_EQ(dense.code, 0);
  EXPECT_EQ(dense.output.find("dense.safetensors"), std::string::npos) << dense.output;
}

TEST_F(CommandLine, AResumedRunDoesNotNeedTheCheckpointItBeganWith) {
  ASSERT_EQ(run({"train", "run.json", "--quiet", "--output", "a", "--set", "train.epochs=1"}).code, 0);
  fs::copy_file(dir / "a" / "checkpoint.safetensors", dir / "start.safetensors");
  const std::vector<std::string> arguments{"prune", "run.json", "--quiet", "--output",
                                           "b",     "--resume", "--set",   "checkpoint=start.safetensors"};
  ASSERT_EQ(run(arguments).code, 0);
  fs::remove(dir / "start.safetensors");
  const Result again = run(arguments);
  EXPECT_EQ(again.code, 0) << again.output;
}

TEST_F(CommandLine, WhatCannotBePrintedIsAnError) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  for (const char* verb : {"schema", "settings", "train run.json --dry-run"}) {
    const std::string command =
        fmt::format("cd {} && {} {} > /dev/full 2> error.txt", dir.string(), ESPALIER_CLI, verb);
    EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 8) << verb << ": " << slurp(dir / "error.txt");
  }
  const std::string closed =
      fmt::format("cd {} && {} prune run.json --output a <&- >&- 2>&-", dir.string(), ESPALIER_CLI);
  EXPECT_EQ(WEXITSTATUS(std::system(closed.c_str())), 0);
  const std::string lock = slurp(dir / "a" / ".lock");
  EXPECT_LT(lock.size(), 10U) << "something was printed into a file of the run: " << lock;
}

TEST_F(CommandLine, AnAddressSpaceTooSmallIsAnErrorAndNotAHang) {
  constexpr rlim_t mib = 1 << 20;
  expect_error(finish(start({"prune", "run.json", "--output", "a"}, RLIM_INFINITY, 150 * mib)), 7,
               {"ulimit -v"});
  expect_error(
      finish(start({"prune", "run.json", "--output", "a", "--threads", "1024"}, RLIM_INFINITY, 900 * mib)), 7,
      {"threads", "1024"});
  expect_error(finish(start({"prune", "run.json", "--output", "a", "--threads", "1", "--set", "model=mlpnet",
                             "--set", "model.widths=[1000000]"},
                            RLIM_INFINITY, 900 * mib)),
               7, {"needed"});
}

TEST_F(CommandLine, ABatchLargerThanTheSetNeedsNoMoreMemoryThanTheSet) {
  const Result r =
      run({"train", "run.json", "--output", "a", "--dry-run", "--set", "train.batch_size=2147483647"});
  EXPECT_EQ(r.code, 0) << r.output;
}

TEST_F(CommandLine, ANameIsOneFolderInRuns) {
  for (const char* name : {"name=", "name=..", "name=../x", "name=/tmp/x"})
    expect_error(run({"train", "run.json", "--set", name}), 3, {"runs/", "--output"});
}

TEST_F(CommandLine, EvaluatingToALossThatIsNoNumberIsAnError) {
  ASSERT_EQ(run({"train", "run.json", "--quiet", "--output", "a", "--set", "train.epochs=1"}).code, 0);
  expect_error(run({"evaluate", "run.json", "--checkpoint", "a/checkpoint.safetensors", "--set",
                    "data.normalize={\"mean\": [1e300], \"std\": [1]}"}),
               6, {"a/checkpoint.safetensors", "test loss"});
}

TEST_F(CommandLine, ADamagedCheckpointIsRefused) {
  ASSERT_EQ(run({"train", "run.json", "--quiet", "--output", "a"}).code, 0);
  const std::string good = weights("a");
  write("cut.safetensors", good.substr(0, good.size() / 2));
  expect_error(run({"evaluate", "run.json", "--checkpoint", "cut.safetensors"}), 5, {"cut.safetensors"});
  expect_error(
      run({"evaluate", "run.json", "--checkpoint", "a/checkpoint.safetensors", "--set", "model=lenet"}), 5,
      {"missing", "not in the model"});
}

}  // namespace
}  // namespace espalier
