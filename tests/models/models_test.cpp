// The networks have the sizes and feature maps that the literature gives them, and say so when images do not
// suit them.
#include <gtest/gtest.h>

#include <map>

#include "framework/config/reader.h"
#include "framework/nn/model.h"
#include "tests/support/oracle.h"

namespace espalier {
namespace {

struct Holder {
  Variant<ModelSettings> model;
  void fields(Fields& f) { f.required().variant("model", model, "model"); }
};
std::unique_ptr<Model> build(const std::string& json, const Shape& image = {32, 32, 3}, int classes = 10,
                             std::uint64_t seed = 1) {
  Holder h;
  read_config(JsonDocument::parse("{\"model\": " + json + "}", "test"), h);
  return h.model->build(image, classes, seed);
}
std::string error(const std::string& json, const Shape& image = {32, 32, 3}) {
  try {
    build(json, image);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::config);
    return e.what();
  }
  return "built";
}
std::map<std::string, Index> sizes(const Model& m) {
  std::map<std::string, Index> all;
  for (const ParameterInfo& p : m.store().infos()) all[p.name] = p.range.size();
  return all;
}

TEST(Models, SizesBeyondAnyMemoryAreRefusedBeforeTheyOverflow) {
  for (
      const char* model :
      {R"({"type": "sequential", "layers": [{"type": "conv", "out": 2147483647, "kernel": 65536, "pad": 65536},
            "global_average_pool", {"type": "linear", "out": 10}]})",
       R"({"type": "mlpnet", "widths": [2147483647, 2147483647]})",
       R"({"type": "resnet20", "width": 2147483647})", R"({"type": "mlpnet", "widths": [100000000]})"}) {
    try {
      build(model);
      ADD_FAILURE() << model;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::memory) << e.what();
    }
  }
}
TEST(Models, TwoLayersOfOneNameAreAnErrorOfTheConfig) {
  EXPECT_NE(error(R"({"type": "sequential", "layers": ["flatten", {"type": "linear", "name": "a", "out": 5},
                      {"type": "linear", "name": "a", "out": 10}]})")
                .find("two steps are named 'a'"),
            std::string::npos);
}
TEST(Models, CifarNetHasItsPublishedSizes) {
  const auto m = build("\"cifarnet\"");
  EXPECT_EQ(m->store().size(), 116906);
  const auto s = sizes(*m);
  EXPECT_EQ(s.at("conv1.weight"), 2400);
  EXPECT_EQ(s.at("conv2.weight"), 25600);
  EXPECT_EQ(s.at("conv3.weight"), 51200);
  EXPECT_EQ(s.at("fc1.weight"), 36864);
  EXPECT_EQ(s.at("fc2.weight"), 640);
  EXPECT_EQ(m->macs(), 10763904);
}
TEST(Models, SizesAgreeWithTheOracle) {
  const auto cases = oracle_cases("shapes");
  const auto& e = cases.front()["expected"];
  EXPECT_EQ(build("\"cifarnet\"")->macs(), e["CIFARNet"]["total_macs"].get<Index>());
  EXPECT_EQ(build("\"mlpnet\"", {28, 28, 1})->store().size(), e["MLPNet_mnist"]["total"].get<Index>());
  EXPECT_EQ(build("\"mlpnet\"")->store().size(), e["MLPNet_cifar10"]["total"].get<Index>());
  EXPECT_EQ(build("\"resnet20\"")->store().size(), e["ResNet20"]["total"].get<Index>());
  EXPECT_EQ(build(R"({"type": "mlpnet", "widths": [16, 64]})")->store().size(),
            e["CIFARNet_MLP_of_paper_figure"]["total_weights"].get<Index>());
}
TEST(Models, ResNetsHaveSixNPlusTwoLayers) {
  for (const auto& [name, blocks] :
       {std::pair{"resnet20", 3}, {"resnet32", 5}, {"resnet44", 7}, {"resnet56", 9}}) {
    const auto m = build(std::string("\"") + name + "\"");
    int weights = 0;
    for (const ParameterInfo& p : m->store().infos()) weights += p.role == Role::weight;
    EXPECT_EQ(weights, 6 * blocks + 2 + 2) << name << ": convolutions, classifier, and two projections";
  }
}
TEST(Models, SameSeedSameWeightsOtherSeedOthers) {
  const auto a = build("\"lenet\""), b = build("\"lenet\""), c = build("\"lenet\"", {32, 32, 3}, 10, 2);
  EXPECT_TRUE(
      std::equal(a->store().values().begin(), a->store().values().end(), b->store().values().begin()));
  EXPECT_FALSE(
      std::equal(a->store().values().begin(), a->store().values().end(), c->store().values().begin()));
}
TEST(Models, HeInitialisationKeepsTheScaleOfActivations) {
  const auto m = build("\"cifarnet\"");
  for (const ParameterInfo& p : m->store().infos()) {
    if (p.name != "conv2.weight") continue;
    double square = 0;
    for (Index i = p.range.begin; i < p.range.end; ++i)
      square += std::pow(static_cast<double>(m->store().values()[i]), 2);
    EXPECT_NEAR(square / static_cast<double>(p.range.size()), 2.0 / (5 * 5 * 32), 0.05 * 2.0 / 800)
        << "variance 2 / fan_in";
  }
}
TEST(Models, SequentialDescribesTheSameNetwork) {
  const auto m = build(R"({"type": "sequential", "layers": [
    {"type": "conv", "name": "conv1", "out": 32, "kernel": 5, "pad": 2}, {"type": "max_pool", "kernel": 3, "stride": 2}, "relu",
    {"type": "conv", "name": "conv2", "out": 32, "kernel": 5, "pad": 2}, "relu", {"type": "average_pool", "kernel": 3, "stride": 2},
    {"type": "conv", "name": "conv3", "out": 64, "kernel": 5, "pad": 2}, "relu", {"type": "average_pool", "kernel": 3, "stride": 2},
    "flatten", {"type": "linear", "name": "fc1", "out": 64}, "relu", {"type": "linear", "name": "fc2", "out": 10}]})");
  const auto cifarnet = build("\"cifarnet\"");
  EXPECT_EQ(sizes(*m), sizes(*cifarnet));
  std::copy(cifarnet->store().values().begin(), cifarnet->store().values().end(),
            m->store().values().begin());
  Tensor images = Tensor::uninitialized({2, 32, 32, 3});
  Random random(1, Random::Use::test);
  for (Real& v : images.values()) v = static_cast<Real>(random.normal());
  Pass pass;
  const Tensor a = m->forward(images, pass).value(), b = cifarnet->forward(images, pass).value();
  EXPECT_TRUE(std::equal(a.values().begin(), a.values().end(), b.values().begin()));
}
TEST(Models, AGraphDescribesTheSameNetwork) {
  const auto m = build(R"({"type": "graph", "steps": [
    {"op": "conv", "name": "conv1", "out": 32, "kernel": 5, "pad": 2}, {"op": "max_pool", "kernel": 3, "stride": 2}, "relu",
    {"op": "conv", "name": "conv2", "out": 32, "kernel": 5, "pad": 2}, "relu", {"op": "average_pool", "kernel": 3, "stride": 2},
    {"op": "conv", "name": "conv3", "out": 64, "kernel": 5, "pad": 2}, "relu", {"op": "average_pool", "kernel": 3, "stride": 2},
    "flatten", {"op": "linear", "name": "fc1", "out": 64}, "relu", {"op": "linear", "name": "fc2", "out": 10, "init": "glorot"}]})");
  const auto cifarnet = build("\"cifarnet\"");
  EXPECT_EQ(sizes(*m), sizes(*cifarnet));
  EXPECT_TRUE(
      std::equal(m->store().values().begin(), m->store().values().end(), cifarnet->store().values().begin()))
      << "the same initial values too";
}
TEST(Models, ResidualLayersAddTheirShortcut) {
  const auto m = build(R"({"type": "sequential", "layers": [{"type": "residual", "name": "r",
    "body": [{"type": "conv", "out": 4, "kernel": 3, "pad": 1, "stride": 2, "bias": false}, "batch_norm"],
    "shortcut": [{"type": "conv", "out": 4, "kernel": 1, "stride": 2, "bias": false}]}, "global_average_pool", {"type": "linear", "out": 10}]})");
  EXPECT_EQ(sizes(*m).count("r.body.0.weight"), 1U);
  EXPECT_EQ(sizes(*m).count("r.shortcut.0.weight"), 1U);
}
TEST(Models, ImpossibleShapesAreExplained) {
  const auto has = [](const std::string& text, const char* part) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in: " << text;
  };
  has(error("\"cifarnet\"", {10, 10, 3}), "at least 15x15");
  has(error("\"lenet\"", {8, 8, 1}), "at least 12x12");
  has(error(R"({"type": "sequential", "layers": [{"type": "linear", "out": 10}]})"), "flatten");
  has(error(R"({"type": "sequential", "layers": ["flatten", {"type": "conv", "out": 1}]})"), "needs images");
  has(error(R"({"type": "sequential", "layers": ["flatten", {"type": "linear", "out": 7}]})"), "10 classes");
  has(error(R"({"type": "sequential", "layers": [{"type": "max_pool", "kernel": 40}]})"), "window 40");
  has(error(R"({"type": "sequential", "layers": [{"type": "conv", "out": 4, "groups": 2}]})"), "divide");
  has(error(R"({"type": "sequential", "layers": []})"), "at least one layer");
  has(error(R"({"type": "graph", "input": [28, 28, 1], "steps": ["flatten"]})"), "inputs of {28,28,1}");
  has(error(
          R"({"type": "sequential", "layers": [{"type": "residual", "body": [{"type": "conv", "out": 4, "kernel": 1}]}]})"),
      "must agree");
}

}  // namespace
}  // namespace espalier
