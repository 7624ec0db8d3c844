// campaign.h: a small job of every kind, and ways to disturb it: killed, the disk full at the n-th call that
// writes, no memory at the n-th allocation, two at the same time. Whatever happened, the program says so by its
// exit code, and the same command with --resume ends with the bits of the undisturbed job.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <map>
#include <thread>

#include "paths.h"
#include "tests/support/command.h"

namespace espalier::testing {

#define ESPALIER_NEEDS_A_PLAIN_BUILD() \
  if (espalier::testing::sanitized) GTEST_SKIP() << "calls cannot be made to fail under a sanitizer"

class Campaign {
 public:
  Campaign() {
    folder.write_text("run.json", R"({
      "name": "small", "seed": 3,
      "data": {"source": {"type": "synthetic", "classes": 3, "train": 96, "test": 32, "height": 8, "width": 8, "channels": 1}},
      "model": {"type": "sequential", "layers": [
        {"type": "conv", "name": "conv", "out": 4, "kernel": 3, "pad": 1}, "batch_norm", "relu", "flatten",
        {"type": "linear", "name": "fc", "out": 3}]},
      "train": {"epochs": 2, "batch_size": 32, "learning_rate": {"type": "cosine", "rate": 0.05}},
      "prune": {"criterion": "woodtaylor", "inverse": {"type": "block", "fisher_block_size": 100}, "num_grads": 16,
                "num_recomputations": 2,
                "schedule": {"type": "cubic", "final_sparsity": 0.6, "start_epoch": 0, "end_epoch": 2}},
      "sweep": {"sparsities": [0.5], "criteria": ["magnitude", "woodfisher"]},
      "curvature": {"examples": [16], "layers": ["fc"], "matrices": ["empirical_fisher"]}})");
  }

  std::vector<std::string> arguments(const std::string& verb, const std::string& output, bool resume) const {
    std::vector<std::string> all{verb,        "run.json", "--quiet",  "--no-report",
                                 "--threads", "2",        "--output", output};
    if (verb == "sweep")
      for (const char* more : {"--set", "train.epochs=0", "--set", "prune.num_recomputations=1"})
        all.push_back(more);
    else if (resume)
      all.push_back("--resume");
    return all;
  }
  Outcome run(const std::string& verb, const std::string& output, bool resume,
              const Surroundings& around = {}) const {
    return program.run(arguments(verb, output, resume), around);
  }
  /// What a finished job leaves, without times: weights, or rows of numbers.
  std::string result(const std::string& verb, const std::string& output) const {
    if (verb == "train" || verb == "prune") {
      const std::string bytes = slurp(folder / output / "checkpoint.safetensors");
      std::uint64_t header = 0;
      if (bytes.size() < 8) return "";
      std::memcpy(&header, bytes.data(), 8);
      return bytes.substr(8 + header);
    }
    std::string rows;
    std::istringstream lines(
        slurp(folder / output / (verb == "sweep" ? "metrics.jsonl" : "curvature/metrics.jsonl")));
    for (std::string line; std::getline(lines, line);)
      rows += line.substr(0, line.find("\"seconds\"")) + "\n";
    return rows;
  }
  /// That of a job that nobody disturbs.
  const std::string& expected(const std::string& verb) {
    std::string& known = expected_[verb];
    if (known.empty()) {
      const Outcome o = run(verb, "whole-" + verb, false);
      EXPECT_EQ(o.code, 0) << o.output;
      known = result(verb, "whole-" + verb);
      EXPECT_FALSE(known.empty());
    }
    return known;
  }
  /// After a disturbance: the same command, or --resume, ends as if there had been none.
  void expect_resumable(const std::string& verb, const std::string& output, const std::string& what) {
    const Outcome o = run(verb, output, true);
    EXPECT_EQ(o.code, 0) << what << ", then resumed:\n" << o.output;
    EXPECT_TRUE(result(verb, output) == expected(verb)) << what << ": other bits after resuming";
    std::error_code ignored;
    std::filesystem::remove_all(folder / output, ignored);
  }
  /// Calls of an undisturbed job that write, and that allocate.
  std::pair<long, long> count(const std::string& verb) {
    const std::string file = (folder / "count.txt").string();
    EXPECT_EQ(run(verb, "counted", false, interposed("ESPALIER_FAIL_COUNT=" + file)).code, 0);
    std::filesystem::remove_all(folder / "counted");
    std::istringstream numbers(slurp(file));
    std::pair<long, long> counts{0, 0};
    numbers >> counts.first >> counts.second;
    return counts;
  }
  void full_disk(const std::string& verb, long at) {
    const std::string what = verb + ", disk full from write " + std::to_string(at) + " on";
    const Outcome o = run(verb, "full", false, interposed("ESPALIER_FAIL_WRITE=" + std::to_string(at)));
    EXPECT_EQ(o.code, 8) << what << ":\n" << o.output;
    EXPECT_NE(o.output.find("error: "), std::string::npos) << what << ":\n" << o.output;
    expect_resumable(verb, "full", what);
  }
  void no_memory(const std::string& verb, long at) {
    const std::string what = verb + ", no memory for allocation " + std::to_string(at);
    const Outcome o = run(verb, "memory", false, interposed("ESPALIER_FAIL_NEW=" + std::to_string(at)));
    EXPECT_TRUE(o.code == 7 || o.code == 0) << what << " (" << o.code << "):\n" << o.output;
    expect_resumable(verb, "memory", what);
  }
  /// Ended by `signal` after so long, and as often as it takes.
  void kill_at(const std::string& verb, int signal, std::chrono::microseconds after) {
    const std::string what =
        verb + ", signal " + std::to_string(signal) + " after " + std::to_string(after.count()) + " us";
    const pid_t child = program.start(arguments(verb, "killed", true));
    std::this_thread::sleep_for(after);
    ::kill(child, signal);
    const Outcome o = program.finish(child);
    EXPECT_TRUE(signal == SIGKILL || o.code == 130 || o.code == 0) << what << ": " << o.code << "\n"
                                                                   << o.output;
    expect_resumable(verb, "killed", what);
  }
  /// Two into one folder: one of them runs, the other is told.
  void race(const std::string& verb) {
    TempFolder other;
    const Program second(ESPALIER_CLI, other);
    std::filesystem::copy_file(folder / "run.json", other / "run.json");
    std::vector<std::string> shared = arguments(verb, (folder / "shared").string(), true);
    const pid_t a = program.start(shared), b = second.start(shared);
    const Outcome first = program.finish(a), last = second.finish(b);
    for (const Outcome& o : {first, last})
      EXPECT_TRUE(o.code == 0 || (o.code == 2 && o.output.find("is writing this run") != std::string::npos))
          << o.code << "\n"
          << o.output;
    EXPECT_TRUE(first.code == 0 || last.code == 0);
    expect_resumable(verb, "shared", verb + ", two at once");
  }

  TempFolder folder;
  Program program{ESPALIER_CLI, folder};

 private:
  static Surroundings interposed(const std::string& setting) {
    return {.environment = {std::string("LD_PRELOAD=") + ESPALIER_INTERPOSED, setting}};
  }
  std::map<std::string, std::string> expected_;
};

}  // namespace espalier::testing
