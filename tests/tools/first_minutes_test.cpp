// The first ten minutes: a config to begin with, a look at the run, the program's own manual and completion; several seeds;
// and everything that is missing said at once.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "paths.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

struct Said {
  int code = 0;
  std::string out, err;
};

std::string text_of(const fs::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct FirstMinutesTest : ::testing::Test {
  Said espalier(const std::string& arguments) {
    const std::string command = "cd " + (folder / "").string() + " && " + ESPALIER_CLI + " " + arguments + " > out.txt 2> err.txt < /dev/null";
    const int status = std::system(command.c_str());
    return {WEXITSTATUS(status), text_of(folder / "out.txt"), text_of(folder / "err.txt")};
  }
  const testing::TempFolder folder;
};

TEST_F(FirstMinutesTest, InitWritesAConfigThatRunsAndSaysTheNextCommand) {
  const Said init = espalier("init first.json --data synthetic --epochs 3");
  ASSERT_EQ(init.code, 0) << init.err;
  EXPECT_NE(init.out.find("next: espalier prune first.json"), std::string::npos) << init.out;
  EXPECT_NE(text_of(folder / "first.json").find("//"), std::string::npos) << "it is commented";
  const Said run = espalier("prune first.json --quiet --no-report");
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("price of"), std::string::npos) << run.out;
  const Said again = espalier("init first.json --data synthetic");
  EXPECT_EQ(again.code, 2);
  EXPECT_NE(again.err.find("first.json: is there already"), std::string::npos) << again.err;
}

TEST_F(FirstMinutesTest, InitBeginsWithANetworkFile) {
  ASSERT_EQ(espalier("init a.json --data synthetic --epochs 2 --dense").code, 0);
  ASSERT_EQ(espalier("train a.json --quiet --no-report").code, 0);
  const Said init = espalier("init b.json --data synthetic --network runs/a/checkpoint.safetensors --epochs 2");
  ASSERT_EQ(init.code, 0) << init.err;
  const Said run = espalier("prune b.json --quiet --no-report");
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.err.find("random initialisation"), std::string::npos) << run.err;
}

TEST_F(FirstMinutesTest, InitNamesWhatItCannotGuess) {
  const Said nothing = espalier("init");
  EXPECT_EQ(nothing.code, 2);
  EXPECT_NE(nothing.err.find("give --data"), std::string::npos) << nothing.err;
  EXPECT_NE(espalier("init --data fashion_mnst").err.find("did you mean \"fashion_mnist\""), std::string::npos);
  EXPECT_NE(espalier("init --data cifar10").err.find("give their folder"), std::string::npos);
  fs::create_directories(folder / "empty");
  const Said empty = espalier("init --data empty");
  EXPECT_EQ(empty.code, 4);
  EXPECT_NE(empty.err.find("neither train/CLASS/"), std::string::npos) << empty.err;
  EXPECT_NE(espalier("init --data synthetic --model resnet21").err.find("did you mean"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder / "config.json")) << "nothing is written";
}

TEST_F(FirstMinutesTest, WatchShowsARunAndEndsWithIt) {
  ASSERT_EQ(espalier("init w.json --data synthetic --epochs 3").code, 0);
  ASSERT_EQ(espalier("prune w.json --quiet --no-report").code, 0);
  const Said watch = espalier("watch runs/w");
  EXPECT_EQ(watch.code, 0) << watch.err;
  EXPECT_NE(watch.out.find("done; epoch 3"), std::string::npos) << watch.out;
  EXPECT_NE(watch.out.find("epochs; . after an epoch, o just after a pruning step"), std::string::npos) << watch.out;
  ASSERT_EQ(espalier("watch runs/w --page live.html").code, 0);
  EXPECT_EQ(text_of(folder / "live.html").find("http-equiv=\"refresh\""), std::string::npos) << "a finished run stays";
  EXPECT_EQ(espalier("watch runs/not_yet --once").code, 0) << "it may come";
  fs::create_directories(folder / "other" / "x");
  EXPECT_NE(espalier("watch other --once").err.find("holds no run"), std::string::npos);
}

TEST_F(FirstMinutesTest, ManualAndCompletionSayWhatTheCommandLineKnows) {
  ASSERT_EQ(espalier("manual man1").code, 0);
  const std::string page = text_of(folder / "man1" / "espalier-prune.1");
  EXPECT_TRUE(page.starts_with(".TH ESPALIER-PRUNE 1"));
  EXPECT_NE(page.find("\\-\\-resume"), std::string::npos);
  EXPECT_NE(text_of(folder / "man1" / "espalier.1").find("watch"), std::string::npos);
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const Said script = espalier(std::string("completion ") + shell);
    EXPECT_EQ(script.code, 0) << script.err;
    EXPECT_NE(script.out.find("resume"), std::string::npos) << shell;
  }
  std::ofstream(folder / "try.sh") << espalier("completion bash").out << R"(
COMP_WORDS=(espalier pru); COMP_CWORD=1; _espalier; echo "${COMPREPLY[@]}"
COMP_WORDS=(espalier prune --resu); COMP_CWORD=2; _espalier; echo "${COMPREPLY[@]}"
)";
  ASSERT_EQ(std::system(("bash " + (folder / "try.sh").string() + " > " + (folder / "tried.txt").string()).c_str()), 0);
  EXPECT_EQ(text_of(folder / "tried.txt"), "prune\n--resume\n");
}

TEST_F(FirstMinutesTest, VersionTellsTwoBuildsApart) {
  const Said version = espalier("--version");
  for (const char* part : {"espalier ", "commit ", "compiler ", "kernels ", "OpenBLAS"})
    EXPECT_NE(version.out.find(part), std::string::npos) << part << version.out;
}

TEST_F(FirstMinutesTest, SeveralSeedsAreSeveralRunsWithMeanAndDeviation) {
  ASSERT_EQ(espalier("init s.json --data synthetic --epochs 2").code, 0);
  const Said run = espalier("prune s.json --quiet --no-report --seeds 3,5");
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("mean ± deviation"), std::string::npos) << run.out;
  EXPECT_EQ(json::parse(text_of(folder / "runs" / "s" / "seed-5" / "config.json"))["seed"], 5);
  EXPECT_EQ(espalier("prune s.json --quiet --no-report --seeds 3,3").code, 2);
  EXPECT_EQ(espalier("prune s.json --quiet --no-report --seeds 3,5 --resume").code, 0) << "nothing left to do";
}

TEST_F(FirstMinutesTest, ALogForProgramsIsJsonLineByLine) {
  ASSERT_EQ(espalier("init j.json --data synthetic --epochs 2").code, 0);
  const Said run = espalier("prune j.json --no-report --log-format json");
  ASSERT_EQ(run.code, 0) << run.err;
  std::istringstream lines(run.err);
  int progress = 0, log = 0;
  for (std::string line; std::getline(lines, line);) {
    const json one = json::parse(line, nullptr, false);
    ASSERT_TRUE(one.is_object()) << line;
    progress += one["event"] == "progress";
    log += one["event"] == "log";
  }
  EXPECT_GT(progress, 0);
  EXPECT_GT(log, 0);
}

TEST_F(FirstMinutesTest, AllThatIsMissingIsSaidAtOnce) {
  std::ofstream(folder / "c.json") << R"({"data": {"source": {"type": "mnist", "path": "no/data"}}, "model": "mlpnet",
    "checkpoint": "no.safetensors", "prune": {"index_file": "no_list.json"}})";
  const Said run = espalier("prune c.json");
  EXPECT_EQ(run.code, 4);
  for (const char* part : {"no/data", "no.safetensors: the checkpoint does not exist", "no_list.json: prune.index_file"})
    EXPECT_NE(run.err.find(part), std::string::npos) << part << "\n" << run.err;
}

TEST_F(FirstMinutesTest, TheProgramFindsItsExperimentsFromAnywhere) {
  const Said list = espalier("reproduce --list");
  EXPECT_EQ(list.code, 0) << list.err;
  EXPECT_NE(list.out.find("mlpnet_mnist"), std::string::npos) << list.out;
}

}  // namespace
}  // namespace espalier
