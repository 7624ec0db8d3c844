// Network files: everything that a network needs to classify pictures is in them, and nothing contradicts itself.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#include <stb_image_write.h>

#include "framework/deploy/classifier.h"
#include "framework/deploy/network_file.h"
#include "framework/graph/json.h"
#include "framework/graph/ops.h"
#include "framework/io/atomic_file.h"
#include "framework/io/compact/compact_file.h"
#include "tests/support/expect_error.h"
#include "tests/support/images.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

using espalier::testing::expect_error;

/// A small network for grey pictures of 6x6, padded to 8x8; half its first kernel pruned.
NetworkFile example() {
  GraphBuilder net({8, 8, 1});
  net.add("conv", ConvOp({.out = 4, .kernel = 3, .pad = 1}));
  net.add("bn", BatchNormOp());
  net.add("relu", ActivationOp(Activation::Kind::relu));
  net.add("pool", MaxPoolOp(2, 2));
  net.add("flatten", FlattenOp());
  net.add("fc", LinearOp({.out = 3}));
  NetworkFile network{net.finish(), {}, {}, {{6, 6, 1}, {}, 8, 8, {{0.5}, {0.25}}, {"cat", "dog", "µ"}}};
  Random random(1, Random::Use::test);
  const auto draw = [&](const std::string& name, const Shape& shape) {
    Tensor t = Tensor::uninitialized(shape);
    for (Real& v : t.values()) v = static_cast<Real>(random.uniform(0.1, 1));
    network.weights.tensors[name] = t;
  };
  for (const ParameterSpec& p : network.graph.parameters) draw(p.name, p.shape);
  for (const StatisticSpec& s : network.graph.statistics) draw(s.name, {s.size});
  Tensor& weight = network.weights.tensors.at("conv.weight");
  Tensor& mask = network.masks.tensors["conv.weight"] = Tensor::full(weight.shape(), 1);
  for (Index i = 0; i < weight.size(); i += 2) weight.data()[i] = mask.data()[i] = 0;
  return network;
}

struct NetworkFileTest : ::testing::Test {
  testing::TempFolder folder;
  std::filesystem::path path = folder / "net.zst";
  WeightsFile file = weights_file_of(example());
  void write() { write_file_atomically(path, encode_compact(file, {}).bytes); }
  void expect_refused(std::initializer_list<std::string> parts) {
    write();
    expect_error(ExitCode::checkpoint, parts, [&] { read_network_file(path); });
    expect_error(ExitCode::checkpoint, {path.string()}, [&] { read_network_file(path); });
  }
};

TEST_F(NetworkFileTest, GraphWeightsMasksAndTaskComeBack) {
  write();
  const NetworkFile written = example(), read = read_network_file(path);
  EXPECT_EQ(to_json(read.graph), to_json(written.graph));
  for (const auto& [name, tensor] : written.weights.tensors) {
    ASSERT_EQ(read.weights.at(name).shape(), tensor.shape());
    EXPECT_TRUE(std::equal(tensor.values().begin(), tensor.values().end(), read.weights.at(name).data()))
        << name;
  }
  ASSERT_EQ(read.masks.tensors.size(), 1U);
  const Tensor& mask = written.masks.at("conv.weight");
  EXPECT_TRUE(std::equal(mask.values().begin(), mask.values().end(), read.masks.at("conv.weight").data()));
  EXPECT_EQ(read.task.classes, written.task.classes);
  EXPECT_EQ(read.task.picture, written.task.picture);
  EXPECT_EQ(read.task.normalization.std, written.task.normalization.std);
}

TEST_F(NetworkFileTest, ACheckpointThatDoesNotDescribeItsNetworkIsSentToCompress) {
  file.metadata.erase("model");
  expect_refused({"no 'model' in its metadata", "espalier compress"});
}

TEST_F(NetworkFileTest, WhatContradictsItselfIsRefused) {
  const WeightsFile whole = file;
  file.metadata["model"] = "{\"type\":\"graph\",";
  expect_refused({"description of the network is wrong"});
  file = whole;
  file.metadata["model"] = R"({"type":"graph","input":[8,8,1],"steps":[{"op":"convolve"}]})";
  expect_refused({"description of the network is wrong", "convolve"});
  file = whole;
  file.tensors.pop_back();
  expect_refused({"not those of its network", "bn.running_var {4} is missing"});
  file = whole;
  file.tensors[0].shape = {1, 4, 3, 3};
  expect_refused({"conv.weight is {1,4,3,3} and not {4,1,3,3}"});
  file = whole;
  file.metadata["task"] =
      R"({"picture":[6,6,1],"height":8,"width":8,"mean":[0.5],"std":[0.25],"classes":["a","b"]})";
  expect_refused({"its task has 8x8x1 and 2 classes"});
  file.metadata["task"] =
      R"({"picture":[9,6,1],"height":8,"width":8,"mean":[0.5],"std":[0.25],"classes":["a","b","c"]})";
  expect_refused({"fits into what the network sees"});
}

TEST_F(NetworkFileTest, AClassifierGivesTheProbabilitiesOfItsNetwork) {
  write();
  const Classifier classify(path);
  EXPECT_EQ(classify.classes(), (std::vector<std::string>{"cat", "dog", "µ"}));
  const ImageSet set = testing::random_images(5, 6, 6, 1, 3);
  const NetworkFile network = example();
  const std::vector<Index> examples{0, 1, 2, 3, 4};
  Batch batch;
  load_examples(set, network.task.preprocessing(), examples, batch);
  const Tensor logits = Engine(network.graph, network.weights)(batch.images);
  for (Index i = 0; i < 5; ++i) {
    const std::vector<double> p = classify(set.image(i));
    ASSERT_EQ(p.size(), 3U);
    EXPECT_NEAR(std::accumulate(p.begin(), p.end(), 0.0), 1, 1e-12);
    for (int k : {1, 2})  // of a softmax, ratios are exponentials of differences
      EXPECT_NEAR(std::log(p[k] / p[0]), logits.data()[i * 3 + k] - logits.data()[i * 3], 1e-4);
    const std::filesystem::path png = folder / "picture.png";
    ASSERT_NE(stbi_write_png(png.c_str(), 6, 6, 1, set.image(i).data(), 6), 0);
    EXPECT_EQ(classify(png), p) << "the same picture in a file";
  }
}

TEST_F(NetworkFileTest, APictureOfAnotherSizeIsRefused) {
  write();
  const Classifier classify(path);
  const std::vector<std::uint8_t> pixels(5 * 7);
  ASSERT_NE(stbi_write_png((folder / "small.png").c_str(), 5, 7, 1, pixels.data(), 5), 0);
  expect_error(ExitCode::data, {"small.png", "7x5 pixels", "net.zst", "6x6", "Scale or cut it"},
               [&] { classify(folder / "small.png"); });
  expect_error(ExitCode::data, {"35 bytes", "net.zst", "36"}, [&] { classify(pixels); });
  expect_error(ExitCode::data, {"none.png"}, [&] { classify(folder / "none.png"); });
}

}  // namespace
}  // namespace espalier
