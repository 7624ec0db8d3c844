// A network out as ONNX and in again, as a user does it: train, export, prune the exported file, export once more.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cmath>
#include <cstdlib>
#include <fstream>

#include "framework/io/npz.h"
#include "paths.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;

struct Export : ::testing::Test {
  testing::TempFolder folder;
  int code = 0;

  std::string run(const std::string& arguments) {
    const std::string command =
        fmt::format("cd {0} && {1} {2} > out.txt 2>&1", folder.str(), ESPALIER_CLI, arguments);
    code = WEXITSTATUS(std::system(command.c_str()));
    std::ifstream in(folder / "out.txt");
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void succeed(const std::string& arguments) {
    const std::string text = run(arguments);
    ASSERT_EQ(code, 0) << arguments << "\n" << text;
  }
  void write_config(const std::string& name, const std::string& model, const std::string& more) {
    folder.write_text(name + ".json", fmt::format(R"({{
      "name": "{}", "seed": 3,
      "data": {{"source": {{"type": "synthetic", "classes": 4, "train": 256, "test": 64, "height": 12, "width": 12, "channels": 3}}}},
      "model": {},
      "train": {{"epochs": 2, "batch_size": 32, "learning_rate": {{"type": "cosine", "rate": 0.05}}}}{}
    }})",
                                                  name, model, more));
  }
  void write_input() {
    NpyArray x{"x", {2, 3, 12, 12}, std::vector<float>(std::size_t{2} * 3 * 12 * 12)};
    for (std::size_t i = 0; i < x.values.size(); ++i)
      x.values[i] = static_cast<float>(std::sin(0.37 * static_cast<double>(i)));
    write_npy(folder / "x.npy", x);
  }
  std::vector<float> logits(const std::string& name) { return to_floats(read_npy(folder / name)); }
  double difference(const std::string& a, const std::string& b) {
    const std::vector<float> x = logits(a), y = logits(b);
    double most = x.size() == y.size() && !x.empty() ? 0 : INFINITY;
    for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i)
      most = std::max(most, std::abs(static_cast<double>(x[i]) - y[i]));
    return most;
  }
};

constexpr const char* layers = R"({"type": "sequential", "layers": [
  {"type": "conv", "name": "conv1", "out": 8, "kernel": 3, "pad": 1, "bias": false}, {"type": "batch_norm", "name": "bn1"}, "relu",
  {"type": "max_pool", "kernel": 2}, {"type": "conv", "name": "conv2", "out": 8, "kernel": 3}, "relu",
  "flatten", {"type": "linear", "name": "fc", "out": 4}]})";

TEST_F(Export, OutAndInAndPrunedAndOutAgain) {
  write_config("first", layers, "");
  write_input();
  succeed("train first.json --quiet --no-report --output a");
  succeed("export a -o dense.onnx --keep-bn");
  succeed("export a -o folded.onnx");
  succeed("predict a --input x.npy --output run.npy");
  succeed("predict dense.onnx --input x.npy --output dense.npy");
  succeed("predict folded.onnx --input x.npy --output folded.npy");
  EXPECT_LE(difference("run.npy", "dense.npy"), 1e-5);
  EXPECT_LE(difference("run.npy", "folded.npy"), 1e-5);

  write_config(
      "second", R"({"type": "onnx", "path": "dense.onnx"})",
      R"(, "prune": {"criterion": "woodfisher", "num_grads": 32, "schedule": {"type": "one_shot", "final_sparsity": 0.7, "epoch": 1}})");
  succeed("prune second.json --quiet --no-report --output b");
  succeed("export b -o pruned.onnx --sparse");
  succeed("predict b --input x.npy --output b.npy");
  succeed("predict pruned.onnx --input x.npy --output pruned.npy");
  EXPECT_LE(difference("b.npy", "pruned.npy"), 1e-5);
  EXPECT_GT(difference("b.npy", "run.npy"), 1e-3) << "pruned and trained, it is another network";
  EXPECT_NE(run("export b -o again.onnx").find("70.0"), std::string::npos) << "the sparsity is said";
}

TEST_F(Export, WhatIsMissingIsSaid) {
  write_config("first", layers, "");
  EXPECT_NE(run("export first.json").find("has no checkpoint"), std::string::npos);
  EXPECT_EQ(code, 2);
  folder.write_text("not.onnx", "<!DOCTYPE html><html>");
  write_config("second", R"({"type": "onnx", "path": "not.onnx"})", "");
  EXPECT_NE(run("train second.json --quiet --output c").find("not.onnx: this is an HTML page"),
            std::string::npos);
  EXPECT_EQ(code, 5);
  EXPECT_NE(run("predict a").find("needs a PICTURE"), std::string::npos);
  EXPECT_EQ(code, 2);
}

}  // namespace
}  // namespace espalier
