// From a pruned run to a small file that classifies pictures, as a user does it.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#include <stb_image_write.h>

#include "framework/deploy/classifier.h"
#include "framework/deploy/network_file.h"
#include "framework/io/safetensors.h"
#include "paths.h"
#include "tests/support/data_sets.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;

struct Compress : ::testing::Test {
  testing::TempFolder folder;
  int code = 0;

  /// What the program prints, standard error after it.
  std::string run(const std::string& arguments) {
    const std::string command =
        fmt::format("cd {0} && {1} {2} > out.txt 2> err.txt", folder.str(), ESPALIER_CLI, arguments);
    code = WEXITSTATUS(std::system(command.c_str()));
    std::string text;
    for (const char* name : {"out.txt", "err.txt"}) {
      std::ifstream in(folder / name);
      text += std::string(std::istreambuf_iterator<char>(in), {});
    }
    return text;
  }
  void expect_parts(const std::string& text, std::initializer_list<const char*> parts) {
    for (const char* part : parts) EXPECT_NE(text.find(part), std::string::npos) << part << " in:\n" << text;
  }
  std::string accuracy(const std::string& text) {
    const std::size_t at = text.find("test accuracy");
    return at == std::string::npos ? "none in " + text : text.substr(at, text.find("sparsity", at) - at);
  }

  /// Trains and prunes whole filters, so that there is something to thin.
  void train_a_network() {
    folder.write_text("run.json", R"({
      "name": "small", "seed": 3,
      "data": {"source": {"type": "synthetic", "classes": 4, "train": 512, "test": 128, "height": 16, "width": 16, "channels": 1}},
      "model": {"type": "sequential", "layers": [
        {"type": "conv", "name": "conv1", "out": 8, "kernel": 3, "pad": 1}, "batch_norm", "relu", {"type": "max_pool", "kernel": 2},
        {"type": "conv", "name": "conv2", "out": 16, "kernel": 3, "pad": 1}, "relu", {"type": "max_pool", "kernel": 2},
        "flatten", {"type": "linear", "name": "fc", "out": 4}]},
      "train": {"epochs": 3, "batch_size": 32, "learning_rate": {"type": "cosine", "rate": 0.05}},
      "prune": {"criterion": "magnitude", "group": "filter", "exclude": ["fc"],
                "schedule": {"type": "one_shot", "final_sparsity": 0.5, "epoch": 2}}
    })");
    const std::string text = run("prune run.json --quiet --no-report --output a");
    ASSERT_EQ(code, 0) << text;
  }
};

TEST_F(Compress, ARunBecomesASmallFileThatClassifiesPictures) {
  train_a_network();
  const std::string text = run("compress a");
  ASSERT_EQ(code, 0) << text;
  expect_parts(text, {"thinned", "conv2", "of 16", "all tensors", "dense float32", "float16", "int8",
                      "written", "a/compact.safetensors.zst"});
  const NetworkFile network = read_network_file(folder / "a/compact.safetensors.zst");
  EXPECT_LT(network.weights.at("conv2.weight").shape()[0], 16);
  EXPECT_LT(fs::file_size(folder / "a/compact.safetensors.zst"),
            fs::file_size(folder / "a/checkpoint.safetensors") / 2);

  // The first test picture, as a file and in memory.
  const DataSource data = testing::open_source(
      "synthetic",
      {{"classes", 4}, {"train", 512}, {"test", 128}, {"height", 16}, {"width", 16}, {"channels", 1}});
  ASSERT_NE(stbi_write_png((folder / "p.png").c_str(), 16, 16, 1, data.test.image(0).data(), 16), 0);
  const std::vector<double> p = Classifier(folder / "a/compact.safetensors.zst")(data.test.image(0));
  const auto printed =
      nlohmann::json::parse(run("predict a/compact.safetensors.zst p.png p.png --json --top 2"));
  ASSERT_EQ(code, 0);
  ASSERT_EQ(printed.size(), 2U);
  EXPECT_EQ(printed[1]["picture"], "p.png");
  ASSERT_EQ(printed[0]["classes"].size(), 2U);
  EXPECT_EQ(printed[0]["classes"][0]["probability"], *std::max_element(p.begin(), p.end()));
  expect_parts(run("predict a/compact.safetensors.zst p.png"), {"picture", "p.png", " %"});
}

TEST_F(Compress, EveryVerbTakesTheFileForACheckpoint) {
  train_a_network();
  ASSERT_EQ((run("compress a -o small.zst"), code), 0);
  const std::string before = run("evaluate run.json --output a --checkpoint a/checkpoint.safetensors");
  const std::string after = run("evaluate run.json --checkpoint small.zst");
  EXPECT_EQ(code, 0) << after;
  EXPECT_EQ(accuracy(after), accuracy(before));
  expect_parts(after,
               {"small.zst describes its own network, which takes the place of the config's \"model\""});
  expect_parts(run("info small.zst"), {"4 classes", "small.zst", "conv2"});
  EXPECT_EQ(code, 0);
  // The thinned network is one like any other: it is trained on, pruned, and thinned again.
  const std::string trained = run("prune a/compact.json --quiet --no-report --output b --set train.epochs=4");
  ASSERT_EQ(code, 0) << trained;
  ASSERT_EQ((run("compress b --no-accuracy"), code), 0);
  // As it is, unthinned, it is the config's own network, and takes nobody's place.
  ASSERT_EQ((run("compress a --no-thin --no-zstd"), code), 0);
  const std::string same = run("evaluate run.json --checkpoint a/compact.safetensors");
  EXPECT_EQ(accuracy(same), accuracy(before));
  EXPECT_EQ(same.find("takes the place"), std::string::npos);
}

TEST_F(Compress, ACheckpointAloneIsEnoughEvenWithoutItsData) {
  train_a_network();
  const std::string text =
      run("compress a/checkpoint.safetensors --dtype int8 "
          "--set data.source='{\"type\":\"mnist\",\"path\":\"/no/such/folder\"}'");
  ASSERT_EQ(code, 0) << text;
  expect_parts(text, {"accuracy is not measured", "/no/such/folder", "int8", "conv1.weight"});
  EXPECT_EQ(read_network_file(folder / "a/compact.safetensors.zst").task.picture,
            (std::vector<int>{16, 16, 1}));
}

TEST_F(Compress, WhatIsMissingIsSaid) {
  train_a_network();
  expect_parts(run("compress nothing.safetensors"), {"nothing.safetensors", "No such file"});
  EXPECT_EQ(code, 5);
  TensorFile bare = read_safetensors(folder / "a/dense.safetensors");  // as another program would write it
  bare.metadata.clear();
  write_safetensors(folder / "bare.safetensors", bare);
  expect_parts(run("compress bare.safetensors"), {"does not say of which network it is", "--config CONFIG"});
  EXPECT_EQ(code, 2);
  EXPECT_EQ((run("compress bare.safetensors --config run.json"), code), 0);
  expect_parts(run("compress a --dtype int4"), {"--dtype is int4", "float32, float16 or int8"});
  EXPECT_EQ(code, 2);
  expect_parts(run("predict bare.safetensors p.png"), {"does not say of which network it is"});
  EXPECT_EQ(code, 2);
  expect_parts(run("compress run.json --set name=other"), {"no checkpoint yet", "runs/other"});
  EXPECT_EQ(code, 2);
}

}  // namespace
}  // namespace espalier
