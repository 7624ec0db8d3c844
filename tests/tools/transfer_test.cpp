// Transfer from the command line: somebody's network with another number of classes, frozen but for its classifier.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>

#include "framework/io/safetensors.h"
#include "paths.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

constexpr const char* ten_classes = R"({"type": "sequential", "layers": [
  {"type": "conv", "name": "conv1", "out": 6, "kernel": 3, "bias": false}, {"type": "batch_norm", "name": "bn1"}, "relu",
  {"type": "conv", "name": "conv2", "out": 8, "kernel": 3}, "relu", "global_average_pool",
  {"type": "linear", "name": "fc", "out": 10}]})";

struct Transfer : ::testing::Test {
  testing::TempFolder folder;
  int code = 0;

  std::string run(const std::string& arguments) {
    code = WEXITSTATUS(std::system(
        fmt::format("cd {0} && {1} {2} > out.txt 2>&1", folder.str(), ESPALIER_CLI, arguments).c_str()));
    std::ifstream in(folder / "out.txt");
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string succeed(const std::string& arguments) {
    const std::string text = run(arguments);
    EXPECT_EQ(code, 0) << arguments << "\n" << text;
    return text;
  }
  void config(const std::string& name, int classes, const std::string& model, const std::string& more) {
    folder.write_text(name + ".json", fmt::format(R"({{"name": "{}", "seed": 3,
      "data": {{"source": {{"type": "synthetic", "classes": {}, "train": 200, "test": 40, "height": 12, "width": 12, "channels": 3}}}},
      "model": {}, {}}})",
                                                  name, classes, model, more));
  }
  std::vector<float> tensor(const std::string& file, const std::string& name) {
    const TensorFile all = read_safetensors(folder / file);
    const StoredTensor* t = all.find(name);
    return t ? to_floats(*t) : std::vector<float>();
  }
  void make_teacher() {
    config("ten", 10, ten_classes, R"("train": {"epochs": 1, "batch_size": 40})");
    succeed("train ten.json --quiet --no-report --output ten");
  }
};

constexpr const char* train_head = R"("train": {"epochs": 2, "batch_size": 40, "freeze": ["conv*", "bn1"],
  "learning_rates": [{"parameters": "fc", "factor": 2}]})";

TEST_F(Transfer, ACheckpointsClassifierIsReplacedAndTheRestStaysFrozenToTheBit) {
  make_teacher();
  config("four", 4, ten_classes,
         std::string(R"("checkpoint": "ten/checkpoint.safetensors", "new_head": true, )") + train_head);
  const std::string log = succeed("train four.json --no-report --output four");
  EXPECT_NE(log.find("train.freeze: 5 of 7 parameters"), std::string::npos) << log;
  for (const char* name : {"conv1.weight", "bn1.weight", "bn1.running_mean", "conv2.bias"})
    EXPECT_EQ(tensor("four/checkpoint.safetensors", name), tensor("ten/checkpoint.safetensors", name))
        << name;
  EXPECT_EQ(tensor("four/checkpoint.safetensors", "fc.weight").size(), 4U * 8);
  // The run's own checkpoint has the new classifier: it is not replaced once more.
  const std::string first = succeed("evaluate four.json --output four");
  EXPECT_EQ(succeed("evaluate four/config.json --output four"), first);
  EXPECT_NE(succeed("info four").find("train.freeze"), std::string::npos);
  EXPECT_NE(succeed("train four.json --output four --resume").find("up to date"), std::string::npos);
  EXPECT_NE(run("train four.json --output other --set new_head=false").find("10"), std::string::npos);
  EXPECT_EQ(code, 3);
}

TEST_F(Transfer, SoIsThatOfAnOnnxFile) {
  make_teacher();
  succeed("export ten -o ten.onnx --keep-bn");
  const std::string model = R"({"type": "onnx", "path": "ten.onnx"})";
  config("four", 4, model, std::string(R"("new_head": true, )") + train_head);
  succeed("train four.json --quiet --no-report --output four");
  EXPECT_EQ(tensor("four/checkpoint.safetensors", "conv2.weight"),
            tensor("ten/checkpoint.safetensors", "conv2.weight"));
  EXPECT_EQ(tensor("four/checkpoint.safetensors", "fc.weight").size(), 4U * 8);
  succeed("export four -o four.onnx");
  config("wrong", 4, model, train_head);
  EXPECT_NE(run("train wrong.json --quiet --output x").find("\"new_head\": true"), std::string::npos);
  EXPECT_EQ(code, 3);
}

TEST_F(Transfer, PartOfACheckpointIsListedAndZerosArePrunedOnRequest) {
  make_teacher();
  // A file of another program: no masks, a name of its own, two layers' worth of zeros, and no classifier.
  TensorFile file = read_safetensors(folder / "ten/checkpoint.safetensors");
  file.metadata.clear();
  std::erase_if(file.tensors, [](const StoredTensor& t) { return t.name.starts_with("fc."); });
  for (StoredTensor& t : file.tensors)
    if (t.name == "conv2.weight") {
      t.name = "body.weight";
      for (std::size_t i = 0; i < t.bytes.size(); i += 8)  // every other weight, so that no filter is dead
        std::fill_n(t.bytes.begin() + static_cast<std::ptrdiff_t>(i), 4, std::byte{0});
    }
  write_safetensors(folder / "theirs.safetensors", file);
  folder.write_text("map.json", R"({"body.*": "conv2.*"})");
  config(
      "part", 4, std::string(ten_classes).replace(std::string(ten_classes).find("10"), 2, "4"),
      R"("checkpoint": {"path": "theirs.safetensors", "partial": true, "map": "map.json"}, "train": {"epochs": 1, "batch_size": 40})");
  const std::string log = succeed("train part.json --no-report --output part");
  EXPECT_NE(log.find("fc (fc.weight {4,8} is missing)"), std::string::npos) << log;
  EXPECT_NE(log.find("conv2 (216 of 432)"), std::string::npos) << "zeros without masks are reported: " << log;
  const auto zeros = [&](const std::string& run_folder) {
    const std::vector<float> w = tensor(run_folder + "/checkpoint.safetensors", "conv2.weight");
    return std::count(w.begin(), w.end(), 0.0F);
  };
  EXPECT_LT(zeros("part"), 216) << "and revived by training";
  succeed("train part.json --quiet --no-report --output kept --set checkpoint.masks=zeros");
  EXPECT_EQ(zeros("kept"), 216);
  EXPECT_NE(succeed("evaluate part.json --output kept").find("(216 of"), std::string::npos);
}

}  // namespace
}  // namespace espalier
