// A network out as ONNX and in again, as a user does it: train, export, prune the exported file, export once more.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "framework/io/npz.h"
#include "paths.h"
#include "tests/support/external.h"
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

TEST_F(Export, EveryWayOutIsAcceptedByTheCheckerAndGivesOurLogits) {
  write_config(
      "first", layers,
      R"(, "prune": {"criterion": "magnitude", "num_grads": 32, "schedule": {"type": "one_shot", "final_sparsity": 0.8, "epoch": 1}})");
  succeed("prune first.json --quiet --no-report --output a");
  NpyArray x{"x", {2, 3, 12, 12}, {}};
  std::string bytes;  // the same pixels as [n, h, w, c]
  std::vector<float> pixels;
  for (int i = 0; i < 2 * 3 * 12 * 12; ++i) pixels.push_back(static_cast<float>((i * 37) % 256) / 255);
  for (int n = 0; n < 2; ++n)
    for (int p = 0; p < 144; ++p)
      for (int c = 0; c < 3; ++c)
        bytes += static_cast<char>(std::lround(255 * pixels[(n * 3 + c) * 144 + p]));
  const auto normal = nlohmann::json::parse(std::ifstream(folder / "a/config.json"))["data"]["normalize"];
  for (int i = 0; i < 2 * 3 * 144; ++i) {
    const int c = i / 144 % 3;
    x.values.push_back((pixels[i] - normal["mean"][c].get<float>()) / normal["std"][c].get<float>());
  }
  write_npy(folder / "x.npy", x);
  succeed("predict a --input x.npy --output ours.npy");
  fs::create_directory(folder / "out");
  const std::vector<std::pair<std::string, std::string>> ways{
      {"plain", ""},
      {"kept", "--keep-bn"},
      {"sparse", "--sparse"},
      {"thin", "--thin"},
      {"thin_kept", "--thin --keep-bn"},
      {"bytes", "--with-preprocessing"},
      {"floats", "--with-preprocessing=float --keep-bn"}};
  for (const auto& [name, options] : ways) {
    succeed(fmt::format("export a -o out/{}.onnx {}", name, options));
    const bool as_bytes = name == "bytes";
    folder.write_text("out/" + name + ".shape", as_bytes ? "2,12,12,3" : "2,3,12,12");
    if (as_bytes)
      folder.write_text("out/bytes.u8", bytes);
    else
      testing::write_floats(folder / ("out/" + name + ".f32"), name == "floats" ? pixels : x.values);
  }
  EXPECT_NE(run("export a -o out/plain.onnx").find("opset 13 (IR 7)"), std::string::npos);
  EXPECT_EQ(testing::onnx_complaints(folder / "out"), "");
  if (testing::onnxruntime().empty())
    GTEST_SKIP() << "no onnxruntime-node in $ESPALIER_ORT or build/onnxruntime";
  ASSERT_TRUE(testing::run_onnxruntime(folder / "out"));
  const std::vector<float> ours = logits("ours.npy");
  for (const auto& [name, options] : ways) {
    const std::vector<float> theirs = testing::read_floats(folder / ("out/" + name + ".ort.f32"));
    ASSERT_EQ(theirs.size(), ours.size()) << name;
    for (std::size_t i = 0; i < ours.size(); ++i) EXPECT_NEAR(theirs[i], ours[i], 2e-5) << name;
  }
}

// The three lines that export prints, run in Python on the network written down in PyTorch.
TEST_F(Export, TheTensorsLoadIntoTheTorchModelByTheLinesPrinted) {
  write_config("first", layers, "");
  write_input();
  succeed("train first.json --quiet --no-report --output a");
  succeed("predict a --input x.npy --output ours.npy");
  const std::string lines = run("export a -o w.npz");
  EXPECT_NE(lines.find("numpy.load(\"w.npz\")"), std::string::npos) << lines;
  EXPECT_NE(run("export a -o w.safetensors").find("load_file(\"w.safetensors\")"), std::string::npos);
  EXPECT_EQ(code, 0);
  // Into another program's names and back.
  folder.write_text("map.txt", "net.* *\n");
  succeed("export a -o theirs.npz --map map.txt");
  succeed("evaluate first.json --checkpoint theirs.npz --map map.txt");
  EXPECT_NE(run("evaluate first.json --checkpoint theirs.npz").find("net.* *"), std::string::npos)
      << "the line that is missing is suggested";
  EXPECT_EQ(code, 5);
  EXPECT_NE(run("export a -o w.pb").find(".onnx, .npz or .safetensors"), std::string::npos);
  EXPECT_EQ(code, 2);
  if (!testing::python_has("torch")) GTEST_SKIP() << "no torch: apt-get install python3-torch";
  std::string script = R"(
import torch
class Net(torch.nn.Module):
  def __init__(self):
    super().__init__()
    self.conv1 = torch.nn.Conv2d(3, 8, 3, padding=1, bias=False)
    self.bn1 = torch.nn.BatchNorm2d(8)
    self.conv2 = torch.nn.Conv2d(8, 8, 3)
    self.fc = torch.nn.Linear(128, 4)
  def forward(self, x):
    x = torch.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 2)
    return self.fc(torch.flatten(torch.relu(self.conv2(x)), 1))
model = Net().eval()
)";
  std::istringstream all(lines);
  for (std::string line; std::getline(all, line);)
    if (line.starts_with("    ")) script += line.substr(4) + "\n";
  script += "numpy.save('theirs.npy', model(torch.from_numpy(numpy.load('x.npy'))).detach().numpy())\n";
  folder.write_text("load.py", script);
  ASSERT_EQ(std::system(fmt::format("cd {} && {} load.py", folder.str(), testing::python()).c_str()), 0);
  EXPECT_LE(difference("theirs.npy", "ours.npy"), 1e-5);
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
