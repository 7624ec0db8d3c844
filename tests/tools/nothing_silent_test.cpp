// What a user gets silently wrong is said: targets that cannot be reached, zeros without masks, settings that
// mean nothing, files of other kinds, folders of others. Each case was found by trying it (issue 17).
#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "paths.h"
#include "tests/support/command.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::expect_outcome;
using testing::Outcome;
using testing::slurp;

class NothingSilent : public ::testing::Test {
 protected:
  NothingSilent() {
    write("net.json", R"({"name": "n",
      "data": {"source": {"type": "synthetic", "train": 60, "test": 40, "height": 8, "width": 8, "channels": 1}},
      "model": {"type": "sequential", "layers": [{"type": "conv", "name": "c", "out": 4, "pad": 1},
        {"type": "batch_norm", "name": "bn"}, "relu", "flatten", {"type": "linear", "name": "fc", "out": 10}]},
      "train": {"epochs": 2, "batch_size": 10}})");
  }
  void write(const std::string& name, const std::string& text) { folder.write_text(name, text); }
  Outcome run(std::vector<std::string> arguments, const testing::Surroundings& around = {}) {
    return program.run(arguments, around);
  }
  /// A quiet verb on net.json.
  Outcome quiet(const char* verb, std::vector<std::string> more) {
    more.insert(more.begin(), {verb, "net.json", "--quiet", "--no-report", "--threads", "1"});
    return run(more);
  }
  Outcome prune(std::vector<std::string> settings, const char* output = "out") {
    std::vector<std::string> all{"--output", output, "--overwrite"};
    for (const char* common : {"train.epochs=0", "prune.num_grads=40"}) settings.push_back(common);
    if (fs::exists(folder / "dense/checkpoint.safetensors"))
      settings.push_back("checkpoint=dense/checkpoint.safetensors");
    for (const std::string& s : settings) all.insert(all.end(), {"--set", s});
    return quiet("prune", all);
  }
  void train_dense() { ASSERT_EQ(quiet("train", {"--output", "dense"}).code, 0); }
  /// The checkpoint of dense/ with values of fc.weight below `least` set to zero, under another name.
  void write_zeros(const std::string& name, float least) {
    std::string bytes = slurp(folder / "dense/checkpoint.safetensors");
    std::uint64_t size = 0;
    std::memcpy(&size, bytes.data(), 8);
    const json header = json::parse(bytes.substr(8, size));
    const auto offsets = header["fc.weight"]["data_offsets"];
    for (std::size_t at = 8 + size + offsets[0].get<std::size_t>();
         at < 8 + size + offsets[1].get<std::size_t>(); at += 4) {
      float v = 0;
      std::memcpy(&v, &bytes[at], 4);
      if (std::abs(v) < least) std::memset(&bytes[at], 0, 4);
    }
    // Ours say that zeros are masks; those of other programs do not.
    if (const auto says = bytes.find("\"masks\":\"zeros\""); says < size) bytes.replace(says, 7, "\"other\"");
    write(name, bytes);
  }
  json last_row(const std::string& run) {
    std::istringstream lines(slurp(folder / (run + "/metrics.jsonl")));
    std::string line, last;
    while (std::getline(lines, line)) last = line;
    return json::parse(last);
  }

  testing::TempFolder folder;
  testing::Program program{ESPALIER_CLI, folder};
};

TEST_F(NothingSilent, ZerosWithoutMasksAreCountedApartAndAdoptedOnRequest) {
  train_dense();
  write_zeros("zeros.safetensors", 0.05F);
  const Outcome seen = quiet("evaluate", {"--checkpoint", "zeros.safetensors"});
  expect_outcome(seen, 0,
                 {"sparsity of weights 0.00 %", "weights are zero but not pruned", "\"masks\": \"zeros\""});
  const Outcome adopted = quiet("evaluate", {"--checkpoint", "zeros.safetensors", "--set", "masks=zeros"});
  EXPECT_EQ(adopted.output.find("weights 0.00 %"), std::string::npos) << adopted.output;
  EXPECT_EQ(adopted.output.find("not pruned"), std::string::npos) << adopted.output;

  expect_outcome(quiet("train", {"--output", "revived", "--set", "checkpoint=zeros.safetensors"}), 0,
                 {"note:", "training revives them"});
  EXPECT_EQ(last_row("revived")["sparsity"], 0.0);
  const Outcome kept =
      quiet("train", {"--output", "kept", "--set", "checkpoint=zeros.safetensors", "--set", "masks=zeros"});
  ASSERT_EQ(kept.code, 0) << kept.output;
  const double sparsity = last_row("kept")["sparsity"];
  EXPECT_GT(sparsity, 0.1);
  EXPECT_NE(kept.output.find(fmt::format("{:.2f} %", 100 * sparsity)), std::string::npos)
      << "the table shows it too: " << kept.output;
  const Outcome again = quiet("evaluate", {"--checkpoint", "kept/checkpoint.safetensors"});
  EXPECT_NE(again.output.find(fmt::format("sparsity of weights {:.2f} %", 100 * sparsity)), std::string::npos)
      << again.output;
}

TEST_F(NothingSilent, EveryRowOfTheMetricsHasASparsity) {
  ASSERT_EQ(prune({"train.epochs=1", "prune.schedule.final_sparsity=0.5"}).code, 0);
  std::istringstream lines(slurp(folder / "out/metrics.jsonl"));
  int rows = 0;
  for (std::string line; std::getline(lines, line); ++rows) {
    const json row = json::parse(line);
    EXPECT_TRUE(row["event"] == "notice" || row.contains("sparsity")) << line;
  }
  EXPECT_GE(rows, 2);
}

TEST_F(NothingSilent, ACheckpointSaysHowItsImagesWerePreparedAndWhatItsOutputsAre) {
  train_dense();
  const json config = json::parse(slurp(folder / "dense/config.json"));
  EXPECT_EQ(config["data"]["normalize"]["mean"].size(), 1U) << "measured, and recorded";
  EXPECT_EQ(config["data"]["class_names"].size(), 10U);
  const auto accuracy = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"--checkpoint", "dense/checkpoint.safetensors"});
    const Outcome o = quiet("evaluate", more);
    EXPECT_EQ(o.code, 0) << o.output;
    return o.output.substr(o.output.find("test accuracy"));
  };
  const std::string expected = accuracy({});
  EXPECT_EQ(accuracy({"--set", "data.train_limit=7"}), expected) << "not measured anew on other images";
  const Outcome other = quiet("evaluate", {"--checkpoint", "dense/checkpoint.safetensors", "--set",
                                           "data.normalize={\"mean\": [0.1], \"std\": [0.9]}"});
  expect_outcome(other, 0, {"note: data.normalize is not that of dense/checkpoint.safetensors"});
  expect_outcome(
      quiet("evaluate", {"--checkpoint", "dense/checkpoint.safetensors", "--set", "data.source.channels=3"}),
      4, {"data.channels is 1", "images of 3 channel(s)"});
  expect_outcome(quiet("evaluate", {"--checkpoint", "dense/checkpoint.safetensors", "--set",
                                    "data.class_names=[\"a\", \"b\"]"}),
                 4, {"data.class_names are a, b", "pattern 0"});
  // The same names in another order: labels are renumbered, so that nothing changes but the numbers.
  std::vector<std::string> names = config["data"]["class_names"];
  std::swap(names[0], names[9]);
  const Outcome renumbered = quiet("evaluate", {"--checkpoint", "dense/checkpoint.safetensors", "--set",
                                                "data.class_names=" + json(names).dump()});
  expect_outcome(renumbered, 0, {"renumbered in the order of the outputs"});
  EXPECT_NE(renumbered.output.find(expected), std::string::npos) << renumbered.output << expected;
}

TEST_F(NothingSilent, ATargetThatCannotBeReachedIsAnErrorThatSaysWhatCan) {
  const auto dry = [&](std::vector<std::string> settings) {
    std::vector<std::string> all{"--dry-run"};
    for (const char* common : {"train.epochs=0", "prune.num_grads=40"}) settings.push_back(common);
    for (const std::string& s : settings) all.insert(all.end(), {"--set", s});
    return quiet("prune", all);
  };
  expect_outcome(dry({"prune.group={\"type\": \"n_of_m\"}", "prune.exclude=[\"c\"]",
                      "prune.schedule.final_sparsity=0.9"}),
                 3, {"n_of_m", "at most 50.00 %", "90.00 %"});
  expect_outcome(dry({"prune.group=channel", "prune.include=[\"c\"]", "prune.schedule.final_sparsity=0.5"}),
                 3, {"at most 0.00 %", "c"});
  expect_outcome(dry({"prune.min_kept_per_layer=36"}), 3,
                 {"min_kept_per_layer is 36", "layer c has 36 weights"});
  // All offending layers at once.
  expect_outcome(dry({"prune.group={\"type\": \"block\", \"size\": 3}", "model.layers.4.out=10"}), 3,
                 {"layer c ", "layer fc "});
  EXPECT_EQ(dry({"prune.group={\"type\": \"n_of_m\"}", "prune.exclude=[\"c\"]",
                 "prune.schedule.final_sparsity=0.5"})
                .code,
            0);
}

TEST_F(NothingSilent, FiltersOfTheOutputsAreLeftAloneUnlessNamed) {
  train_dense();
  const std::vector<std::string> filters{"prune.group=filter", "prune.scope=layerwise",
                                         "prune.schedule.final_sparsity=0.5"};
  expect_outcome(prune(filters), 0, {"note:", "leaves layer fc alone", "outputs", "50.00 %"});
  EXPECT_FALSE(last_row("out").contains("sparsity.fc"));
  std::vector<std::string> named = filters;
  named.push_back("prune.include=[\"fc\"]");
  expect_outcome(prune(named), 3, {"fc", "at most 0.00 %"});
  named.push_back("prune.min_kept_per_layer=0");
  EXPECT_EQ(prune(named).code, 0) << "whoever asks for it twice gets it";
  expect_outcome(prune({"prune.group=channel", "prune.schedule.final_sparsity=0.25"}), 0,
                 {"leaves layer c alone"});
}

TEST_F(NothingSilent, ARunNeverWritesOverWhatItDidNotMake) {
  write("mine/config.json", "// my notes\n" + slurp(folder / "net.json"));
  expect_outcome(run({"train", "mine/config.json", "--quiet", "--output", "mine"}), 2,
                 {"mine/config.json", "is read", "--output"});
  expect_outcome(quiet("train", {"--output", "mine"}), 2, {"mine", "not empty", "config.json", "--output"});
  EXPECT_NE(slurp(folder / "mine/config.json").find("my notes"), std::string::npos);
  EXPECT_EQ(run({"train", "mine/config.json", "--quiet", "--output", "mine", "--overwrite"}).code, 2);

  train_dense();
  const std::string before = slurp(folder / "dense/checkpoint.safetensors");
  expect_outcome(quiet("train", {"--output", "dense"}), 2, {"dense", "--resume", "--overwrite"});
  expect_outcome(quiet("train", {"--output", "dense", "--overwrite", "--set",
                                 "checkpoint=dense/checkpoint.safetensors"}),
                 2, {"dense/checkpoint.safetensors", "is read"});
  expect_outcome(run({"train", "dense/config.json", "--quiet", "--output", "dense", "--overwrite"}), 2,
                 {"dense/config.json", "is read"});
  EXPECT_TRUE(slurp(folder / "dense/checkpoint.safetensors") == before);
}

TEST_F(NothingSilent, AFolderHoldsFilesOfOneRunOnly) {
  train_dense();
  ASSERT_EQ(prune({"train.epochs=1"}, "r").code, 0);
  ASSERT_TRUE(fs::exists(folder / "r/dense.safetensors"));
  const Outcome diverged =
      quiet("train", {"--output", "r", "--overwrite", "--set", "train.learning_rate.rate=1e6"});
  expect_outcome(diverged, 6, {"No checkpoint was saved yet"});
  for (const char* old : {"checkpoint.safetensors", "dense.safetensors", "tour.json", "saliency.jsonl"})
    EXPECT_FALSE(fs::exists(folder / "r" / old)) << old;
}

TEST_F(NothingSilent, FilesOfOtherKindsAreCalledByTheirName) {
  write("model.pth", std::string("PK\3\4\0\0\10\10", 8) + std::string(200, '\0'));
  write("lfs.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
  write("page.safetensors", "<!DOCTYPE html>\n<html></html>");
  expect_outcome(quiet("evaluate", {"--checkpoint", "model.pth"}), 5, {"model.pth", "zip archive"});
  expect_outcome(quiet("evaluate", {"--checkpoint", "lfs.safetensors"}), 5, {"Git LFS", "git lfs pull"});
  expect_outcome(quiet("evaluate", {"--checkpoint", "page.safetensors"}), 5, {"HTML page", "download"});
  write("empty.json", "");
  write("wide.json", std::string("\xff\xfe{\0\"\0", 6));
  write(
      "nul.json",
      R"({"name": "t\u0000x", "data": {"source": "synthetic"}, "model": "mlpnet", "train": {"epochs": 0}})");
  expect_outcome(run({"train", "empty.json"}), 3, {"empty.json", "empty file"});
  expect_outcome(run({"train", "wide.json"}), 3, {"wide.json", "UTF-16", "UTF-8"});
  expect_outcome(run({"train", "nul.json"}), 3, {"nul.json: name", "NUL"});
}

TEST_F(NothingSilent, DocumentedRangesAreTheEnforcedOnes) {
  EXPECT_EQ(quiet("train", {"--dry-run", "--set", "seed=18446744073709551615"}).code, 0);
  expect_outcome(quiet("train", {"--set", "seed=18446744073709551616"}), 3, {"seed", "18446744073709551615"});
  expect_outcome(quiet("train", {"--set", "train.batch_size=3000000000"}), 3,
                 {"train.batch_size", "at most 2147483647"});
  const std::string documented = run({"settings"}).output;
  for (const char* row : {"| `seed` | integer in [0, 18446744073709551615] |",
                          "| `train.batch_size` | integer in [1, 2147483647] |",
                          "| `train.epochs` | integer in [0, 1000000] |"})
    EXPECT_NE(documented.find(row), std::string::npos) << row;
}

TEST_F(NothingSilent, WhatIsKnownBeforehandIsToldBeforehand) {
  const auto dry = [&](std::initializer_list<const char*> settings) {
    std::vector<std::string> all{"--dry-run", "--set", "prune.schedule.final_sparsity=0.5"};
    for (const char* s : settings) all.insert(all.end(), {"--set", s});
    return quiet("prune", all);
  };
  expect_outcome(dry({"prune.num_grads=500"}), 3, {"num_grads", "60 examples"});
  expect_outcome(dry({"prune.num_grads=40", "prune.inverse={\"type\": \"cg\", \"max_diagonal\": 100}"}), 3,
                 {"cg", "2596 weights", "100"});
  write("list.json", "[1, 99]");
  expect_outcome(dry({"prune.num_grads=2", "prune.index_file=list.json"}), 4, {"list.json", "example 99"});
  expect_outcome(
      dry({"prune.num_grads=40", "prune.schedule={\"type\": \"cubic\", \"end_epoch\": 2147483647}"}), 3,
      {"end_epoch", "at most 1000000"});
  expect_outcome(dry({"prune.num_grads=40", "prune.schedule={\"type\": \"cubic\", \"end_epoch\": 1000000}"}),
                 3, {"epoch 1000000", "train.epochs is 2"});
  expect_outcome(dry({"prune.num_stages=2147483648"}), 3, {"num_stages", "at most 10000"});
  expect_outcome(dry({"prune.num_recomputations=2147483647"}), 3, {"num_recomputations", "at most 10000"});
  const auto note = [&](const char* setting, const char* part) {
    expect_outcome(quiet("train", {"--dry-run", "--set", setting}), 0, {"note:", part});
  };
  note("train.learning_rate.warmup_epochs=100", "never reached");
  note("train.learning_rate={\"type\": \"multi_step\", \"milestones\": [5, 10]}", "5, 10 come after the end");
  note("data.normalize={\"mean\": [125.3], \"std\": [63]}", "divide them by 255");
}

TEST_F(NothingSilent, AResumedRunMayChangeWhatHasHadNoEffectYet) {
  train_dense();
  const auto resume = [&](std::initializer_list<const char*> settings) {
    std::vector<std::string> all{"--output", "dense", "--resume"};
    for (const char* s : settings) all.insert(all.end(), {"--set", s});
    return quiet("train", all);
  };
  expect_outcome(resume({"seed=5", "train.batch_size=20"}), 3,
                 {"another configuration", "seed: 1 -> 5", "train.batch_size: 10 -> 20", "used already"});
  expect_outcome(resume({"train.epochs=1"}), 3, {"train.epochs: 2 -> 1", "2 epochs are done"});
  expect_outcome(resume({"train.learning_rate.rate=0.1"}), 3,
                 {"train.learning_rate.rate", "rates of the epochs"});
  expect_outcome(resume({"train.epochs=4"}), 0, {"note: resumed with train.epochs: 2 -> 4"});
  EXPECT_EQ(json::parse(slurp(folder / "dense/config.json"))["train"]["epochs"], 4);
  const json done = last_row("dense");
  EXPECT_EQ(done["event"], "done");
  std::istringstream lines(slurp(folder / "dense/metrics.jsonl"));
  int epochs = 0, ends = 0;
  for (std::string line; std::getline(lines, line);) {
    epochs += json::parse(line)["event"] == "epoch";
    ends += json::parse(line)["event"] == "done";
  }
  EXPECT_EQ(epochs, 4);
  EXPECT_EQ(ends, 1);
  expect_outcome(resume({"train.epochs=4"}), 0, {});
}

TEST_F(NothingSilent, AStepThatWasRefusedMayBeCorrectedWithoutTheEpochsBeforeIt) {
  const auto attempt = [&](const char* sparsity, bool resume) {
    std::vector<std::string> all{"--output", "p"};
    if (resume) all.push_back("--resume");
    for (const std::string& s : {std::string("prune.criterion=magnitude"), std::string("prune.num_grads=40"),
                                 fmt::format("prune.schedule={{\"type\": \"one_shot\", \"epoch\": 1, "
                                             "\"final_sparsity\": {}}}",
                                             sparsity)})
      all.insert(all.end(), {"--set", s});
    return quiet("prune", all);
  };
  expect_outcome(attempt("0.999", false), 9, {"min_kept_per_layer"});
  expect_outcome(attempt("0.5", true), 0,
                 {"note: resumed with prune.schedule.final_sparsity: 0.999 -> 0.5"});
  EXPECT_NEAR(last_row("p")["sparsity"].get<double>(), 0.5, 1e-3);
  expect_outcome(attempt("0.6", true), 3,
                 {"prune.schedule.final_sparsity: 0.5 -> 0.6", "steps that are over"});
}

TEST_F(NothingSilent, MoreEpochsAtAConstantRateGiveTheBitsOfALongerRun) {
  const char* rate = "train.learning_rate={\"type\": \"constant\", \"rate\": 0.05}";
  ASSERT_EQ(quiet("train", {"--output", "long", "--set", rate, "--set", "train.epochs=3"}).code, 0);
  ASSERT_EQ(quiet("train", {"--output", "short", "--set", rate, "--set", "train.epochs=1"}).code, 0);
  ASSERT_EQ(quiet("train", {"--output", "short", "--resume", "--set", rate, "--set", "train.epochs=3"}).code,
            0);
  const auto weights = [&](const char* run) {
    const std::string bytes = slurp(folder / run / "checkpoint.safetensors");
    std::uint64_t header = 0;
    std::memcpy(&header, bytes.data(), 8);
    return bytes.substr(8 + header);
  };
  EXPECT_TRUE(weights("long") == weights("short"));
}

TEST_F(NothingSilent, ALossOfPrecisionEndsInAnErrorThatNamesTheSetting) {
  train_dense();
  expect_outcome(
      prune({"prune.inverse={\"type\": \"dense\", \"fisher_block_size\": 200}", "prune.damp=1e-30"}), 6,
      {"lost its precision", "prune.damp"});
  expect_outcome(prune({"prune.inverse=cg", "prune.damp=1e-16"}), 6, {"prune.damp", "1e-16"});
  EXPECT_EQ(prune({"prune.inverse={\"type\": \"dense\", \"fisher_block_size\": 200}"}).code, 0);
}

TEST_F(NothingSilent, ExplainRefusesWhatItCouldOnlyMisread) {
  const auto explain = [&](const std::string& text) {
    write("problem.json", text);
    return run({"explain", "problem.json"});
  };
  expect_outcome(explain(R"({"gradients": [[1, 2]], "lambda": 1, "lambda": 2, "weights": [1, 1]})"), 3,
                 {"problem.json", "\"lambda\" is given twice"});
  expect_outcome(explain("{\"gradients\": [[1, 2]],\n \"lambda\" 1}"), 3, {"problem.json", "line 2"});
  expect_outcome(explain(std::string(200'000, '[')), 3, {"problem.json", "200 deep"});
  expect_outcome(explain(R"({"gradients": [[1, 2]], "lambda": 1, "weights": [1e308, 1]})"), 6,
                 {"problem.json", "too large"});
  expect_outcome(explain(R"({"gradients": [[1e200, 2]], "lambda": 1, "weights": [1, 1]})"), 6,
                 {"problem.json"});
  // The recursion's steps are not kept where they are not shown: 512 weights x 600 gradients were 1.3 GB.
  json big{{"lambda", 1.0}, {"weights", std::vector<double>(300, 1.0)}};
  for (int n = 0; n < 900; ++n) big["gradients"].push_back(std::vector<double>(300, n % 7 - 3.0));
  write("big.json", big.dump());
  const rlim_t room = testing::sanitized ? RLIM_INFINITY : rlim_t{600} << 20;
  EXPECT_EQ(run({"explain", "big.json"}, {.address_space = room}).code, 0) << "648 MB of steps";
}

TEST_F(NothingSilent, HostileJsonInARunFolderOrAnExperimentIsNamed) {
  train_dense();
  write("dense/tour.json", std::string(200'000, '['));
  const Outcome page = run({"report", "dense", "-o", "page.html"});
  EXPECT_EQ(page.code, 0) << page.output;
  EXPECT_NE(slurp(folder / "page.html").find("200 deep"), std::string::npos);
  write("exp/experiment.json", R"({"title": "t", "parts": [{"name": "p", "config": 3}]})");
  expect_outcome(run({"reproduce", "exp", "--dry-run"}), 3, {"exp/experiment.json", "parts.0.config is 3"});
  write(
      "exp/experiment.json",
      R"({"title": "t", "config": {"seed": 1}, "parts": [{"name": "p", "vary": "seed.x", "values": [1]}]})");
  expect_outcome(run({"reproduce", "exp", "--dry-run"}), 3, {"exp/experiment.json", "seed.x", "no object"});
}

}  // namespace
}  // namespace espalier
