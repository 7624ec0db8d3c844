// Thinning: what is dead leaves, what is alive stays, and the logits never know.
#include "framework/graph/thin/thin.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "framework/graph/builder.h"
#include "framework/graph/channel_ops.h"
#include "framework/graph/json.h"
#include "framework/graph/ops.h"

namespace espalier {
namespace {

const ActivationOp relu(Activation::Kind::relu);

/// Output of a graph in evaluation, step by step as its ops define it.
Tensor run(const Graph& graph, const Weights& weights, const Tensor& images) {
  std::vector<Var> values(graph.values.size());
  values[graph.input] = Var(images);
  Pass pass;
  for (const Step& step : graph.steps) {
    std::vector<Var> inputs, parameters;
    std::vector<Tensor> statistics;
    for (const ValueId id : step.inputs) inputs.push_back(values[id]);
    for (const int p : step.parameters) parameters.emplace_back(weights.at(graph.parameters[p].name));
    for (const int s : step.statistics) statistics.push_back(weights.at(graph.statistics[s].name));
    values[step.output] = step.op->apply(inputs, {step.name, parameters, statistics}, pass);
  }
  return values[graph.outputs[0]].value();
}

/// Every tensor drawn at random; variances above zero.
Weights random_weights(const Graph& graph, Random& random) {
  Weights weights;
  for (const ParameterSpec& p : graph.parameters) {
    Tensor t = Tensor::uninitialized(p.shape);
    const double deviation =
        p.role == Role::weight ? 1 / std::sqrt(static_cast<double>(p.shape.example_size())) : 1;
    for (Real& v : t.values()) v = static_cast<Real>(deviation * random.normal());
    weights.tensors[p.name] = t;
  }
  for (const StatisticSpec& s : graph.statistics) {
    Tensor t = Tensor::uninitialized({s.size});
    for (Real& v : t.values()) v = static_cast<Real>(random.uniform(0.5, 1.5));
    weights.tensors[s.name] = t;
  }
  return weights;
}

Tensor random_images(const Shape& shape, Index n, Random& random) {
  Tensor images = Tensor::uninitialized({n, shape[0], shape[1], shape[2]});
  for (Real& v : images.values()) v = static_cast<Real>(random.normal());
  return images;
}

/// Output channel `o` of a weight becomes zero, or, of a bias, that value.
void kill(Weights& weights, const std::string& name, Index o) {
  Tensor& t = weights.tensors.at(name);
  const Index each = t.shape().example_size();
  std::fill_n(t.data() + o * each, each, Real(0));
}
/// No output reads input channel `i` any more.
void ignore(Weights& weights, const std::string& name, Index i) {
  Tensor& t = weights.tensors.at(name);
  for (Index at = i; at < t.size(); at += t.shape()[-1]) t.data()[at] = 0;
}

struct ThinTest : testing::Test {
  Random random{1, Random::Use::test};

  /// Thins, and compares the logits of eight images.
  Thinned thin(const Graph& graph, const Weights& weights, const Weights& masks = {}) {
    Thinned thinned = remove_dead_channels(graph, weights, masks);
    const Tensor images = random_images(graph.shape(graph.input), 8, random);
    const Tensor before = run(graph, weights, images), after = run(thinned.graph, thinned.weights, images);
    EXPECT_EQ(before.shape(), after.shape());
    double largest = 1;
    for (const Real v : before.values()) largest = std::max(largest, std::abs(static_cast<double>(v)));
    for (Index i = 0; i < before.size(); ++i)
      EXPECT_NEAR(before.data()[i], after.data()[i], 1e-5 * largest) << "logit " << i;
    return thinned;
  }
  Shape shape(const Thinned& t, const std::string& name) { return t.weights.at(name).shape(); }
};

/// conv1 -> relu -> conv2 -> relu -> pool -> flatten -> fc, of 4, 6 and 5 channels.
Graph chain(Index pad) {
  GraphBuilder net({6, 6, 3});
  net.add("conv1", ConvOp({.out = 4, .kernel = 3, .pad = 1}));
  net.add("relu1", relu);
  net.add("conv2", ConvOp({.out = 6, .kernel = 3, .pad = pad, .bias = false}));
  net.add("relu2", relu);
  net.add("pool", MaxPoolOp(2, 2));
  net.add("flatten", FlattenOp());
  net.add("fc", LinearOp({.out = 5}));
  return net.finish();
}

TEST_F(ThinTest, NothingLeavesANetworkInWhichEverythingLives) {
  const Graph graph = chain(1);
  const Weights weights = random_weights(graph, random);
  const Thinned t = thin(graph, weights);
  EXPECT_TRUE(t.notes.empty());
  for (const auto& [name, tensor] : weights.tensors) EXPECT_EQ(shape(t, name), tensor.shape()) << name;
}

TEST_F(ThinTest, AFilterOfZerosLeavesWithWhatItsReadersHadForIt) {
  const Graph graph = chain(1);
  Weights weights = random_weights(graph, random);
  for (const Index dead : {1, 4}) kill(weights, "conv2.weight", dead);
  const Thinned t = thin(graph, weights);
  EXPECT_EQ(shape(t, "conv2.weight"), (Shape{4, 3, 3, 4}));
  // Nine pixels of each of six channels: a channel is nine columns of the linear layer.
  EXPECT_EQ(shape(t, "fc.weight"), (Shape{5, 4 * 9}));
  EXPECT_EQ(t.weights.at("fc.weight").data()[9], weights.at("fc.weight").data()[18])
      << "channel 2 follows channel 0";
  ASSERT_EQ(t.layers.size(), 3U);
  EXPECT_EQ(t.layers[1].name, "conv2");
  EXPECT_EQ(t.layers[1].outputs_before, 6);
  EXPECT_EQ(t.layers[1].outputs, 4);
  EXPECT_EQ(t.layers[2].weights, 5 * 36);
}

TEST_F(ThinTest, AChannelThatNobodyReadsLeavesWhateverItComputes) {
  const Graph graph = chain(1);
  Weights weights = random_weights(graph, random);
  ignore(weights, "conv2.weight", 2);
  const Thinned t = thin(graph, weights);
  EXPECT_EQ(shape(t, "conv1.weight"), (Shape{3, 3, 3, 3}));
  EXPECT_EQ(shape(t, "conv1.bias"), (Shape{3}));
  EXPECT_EQ(shape(t, "conv2.weight"), (Shape{6, 3, 3, 3}));
}

TEST_F(ThinTest, WhatOnlyDeadChannelsReadIsDead) {
  const Graph graph = chain(1);
  Weights weights = random_weights(graph, random);
  // Channel 3 of conv1 is read by channels 0 and 5 of conv2, and these by nobody.
  ignore(weights, "conv2.weight", 3);
  for (const Index o : {0, 5}) {
    weights.tensors.at("conv2.weight").data()[o * 36 + 3] = 1;
    for (Index p = 0; p < 9; ++p) ignore(weights, "fc.weight", o * 9 + p);
  }
  const Thinned t = thin(graph, weights);
  EXPECT_EQ(shape(t, "conv1.weight"), (Shape{3, 3, 3, 3}));
  EXPECT_EQ(shape(t, "conv2.weight"), (Shape{4, 3, 3, 3}));
}

// A filter of zeros with a bias is the same number everywhere. A reader without padding sees it at every tap:
// the number moves into its bias.
TEST_F(ThinTest, AConstantChannelMovesIntoTheNextBias) {
  const Graph graph = chain(0);
  Weights weights = random_weights(graph, random);
  kill(weights, "conv1.weight", 1);
  weights.tensors.at("conv1.bias").data()[1] = Real(0.7);
  const Thinned t = thin(graph, weights);
  EXPECT_EQ(shape(t, "conv1.weight"), (Shape{3, 3, 3, 3}));
  ASSERT_TRUE(t.weights.has("conv2.bias")) << "it had none";
  double taps = 0;
  for (Index k = 0; k < 9; ++k) taps += weights.at("conv2.weight").data()[k * 4 + 1];
  EXPECT_NEAR(t.weights.at("conv2.bias").data()[0], 0.7 * taps, 1e-6);
}

// With padding, the reader sees the number inside the image and zeros around it: no bias does that.
TEST_F(ThinTest, AConstantChannelBeforeZeroPaddingStaysAndTheNotesSayWhy) {
  const Graph graph = chain(1);
  Weights weights = random_weights(graph, random);
  kill(weights, "conv1.weight", 1);
  weights.tensors.at("conv1.bias").data()[1] = Real(0.7);
  Thinned t = thin(graph, weights);
  EXPECT_EQ(shape(t, "conv1.weight"), (Shape{4, 3, 3, 3}));
  ASSERT_EQ(t.notes.size(), 1U);
  EXPECT_NE(t.notes[0].find("1 channel(s) that 'conv2' reads are constant"), std::string::npos) << t.notes[0];
  // A bias below zero is zero behind the ReLU, and zero is zero with padding too.
  weights.tensors.at("conv1.bias").data()[1] = Real(-0.7);
  t = thin(graph, weights);
  EXPECT_EQ(shape(t, "conv1.weight"), (Shape{3, 3, 3, 3}));
  EXPECT_TRUE(t.notes.empty());
}

/// stem -> [conv1 -> bn1 -> relu1 -> conv2 -> bn2] + stem -> relu -> pool -> fc: a block as in ResNets.
Graph residual() {
  GraphBuilder net({5, 5, 3});
  net.add("stem", ConvOp({.out = 4, .kernel = 3, .pad = 1}));
  const ValueId stem = net.last();
  net.add("conv1", ConvOp({.out = 6, .kernel = 3, .pad = 1, .bias = false}));
  net.add("bn1", BatchNormOp());
  net.add("relu1", relu);
  net.add("conv2", ConvOp({.out = 4, .kernel = 3, .pad = 1, .bias = false}));
  const ValueId branch = net.add("bn2", BatchNormOp());
  net.add("sum", AddOp(), {stem, branch});
  net.add("relu2", relu);
  net.add("pool", GlobalAveragePoolOp());
  net.add("fc", LinearOp({.out = 5}));
  return net.finish();
}

TEST_F(ThinTest, AResidualSumLosesAChannelOnlyIfBothSidesAgree) {
  const Graph graph = residual();
  Weights weights = random_weights(graph, random);
  const auto silence = [&](const std::string& conv, const std::string& shift, Index c) {
    kill(weights, conv, c);
    kill(weights, shift, c);
    if (shift.starts_with("bn")) kill(weights, shift.substr(0, 3) + ".running_mean", c);
  };
  silence("stem.weight", "stem.bias", 2);
  EXPECT_EQ(shape(thin(graph, weights), "stem.weight"), (Shape{4, 3, 3, 3}))
      << "the branch still has something to add";
  silence("conv2.weight", "bn2.bias", 2);
  const Thinned t = thin(graph, weights);
  EXPECT_EQ(shape(t, "stem.weight"), (Shape{3, 3, 3, 3}));
  EXPECT_EQ(shape(t, "conv1.weight"), (Shape{6, 3, 3, 3}));
  EXPECT_EQ(shape(t, "conv2.weight"), (Shape{3, 3, 3, 6}));
  EXPECT_EQ(shape(t, "bn2.running_var"), (Shape{3}));
  EXPECT_EQ(shape(t, "fc.weight"), (Shape{5, 3}));
}

TEST_F(ThinTest, BatchNormDecidesWhetherAChannelIsConstant) {
  const Graph graph = residual();
  Weights weights = random_weights(graph, random);
  // A scale of zero makes any channel constant; its shift below zero, behind the ReLU, zero.
  weights.tensors.at("bn1.weight").data()[4] = 0;
  weights.tensors.at("bn1.bias").data()[4] = -1;
  // A filter of zeros is -mean / deviation behind it, which here is above zero, and conv2 pads.
  kill(weights, "conv1.weight", 1);
  weights.tensors.at("bn1.weight").data()[1] = 1;
  weights.tensors.at("bn1.bias").data()[1] = 0;
  weights.tensors.at("bn1.running_mean").data()[1] = -1;
  const Thinned t = thin(graph, weights);
  EXPECT_EQ(shape(t, "conv1.weight"), (Shape{5, 3, 3, 4}));
  EXPECT_EQ(shape(t, "bn1.running_mean"), (Shape{5}));
  EXPECT_EQ(t.notes.size(), 1U);
}

TEST_F(ThinTest, ADepthwiseConvolutionLosesChannelsWithItsInputAndGroupsLeaveWhole) {
  GraphBuilder net({7, 7, 3});
  net.add("expand", ConvOp({.out = 8, .kernel = 1}));
  net.add("relu1", relu);
  net.add("depthwise", ConvOp({.out = 16, .kernel = 3, .pad = 1, .groups = 8, .bias = false}));
  net.add("relu2", relu);
  net.add("grouped", ConvOp({.out = 12, .kernel = 3, .groups = 4}));
  net.add("pool", GlobalAveragePoolOp());
  net.add("fc", LinearOp({.out = 5}));
  const Graph graph = net.finish();
  Weights weights = random_weights(graph, random);
  // `grouped` reads depthwise's channels 4 to 7 in its second group, which are channels 2 and 3 of `expand`.
  for (Index c = 4; c < 7; ++c) kill(weights, "depthwise.weight", c);
  kill(weights, "grouped.weight", 3);
  EXPECT_EQ(shape(thin(graph, weights), "expand.weight"), (Shape{8, 1, 1, 3}))
      << "part of a group can't leave";
  for (Index c = 3; c < 6; ++c) ignore(weights, "fc.weight", c);
  const Thinned t = thin(graph, weights);
  EXPECT_EQ(shape(t, "expand.weight"), (Shape{6, 1, 1, 3}));
  EXPECT_EQ(shape(t, "depthwise.weight"), (Shape{12, 3, 3, 1}));
  EXPECT_EQ(shape(t, "grouped.weight"), (Shape{9, 3, 3, 4}));
  EXPECT_EQ(shape(t, "fc.weight"), (Shape{5, 9}));
}

TEST_F(ThinTest, AMeanOverPaddingIsNotConstantUnlessPaddingDoesNotCount) {
  for (const bool counts : {true, false}) {
    AveragePoolOp pool(3, 1);
    pool.pool.pad_top = pool.pool.pad_left = pool.pool.pad_bottom = pool.pool.pad_right = 1;
    pool.pool.count_include_pad = counts;
    GraphBuilder net({6, 6, 3});
    net.add("conv", ConvOp({.out = 4, .kernel = 3, .pad = 1}));
    net.add("average", pool);
    net.add("flatten", FlattenOp());
    net.add("fc", LinearOp({.out = 5}));
    const Graph graph = net.finish();
    Weights weights = random_weights(graph, random);
    kill(weights, "conv.weight", 1);
    EXPECT_EQ(shape(thin(graph, weights), "conv.weight")[0], counts ? 4 : 3);
    kill(weights, "conv.bias", 1);
    EXPECT_EQ(shape(thin(graph, weights), "conv.weight")[0], 3) << "zero among zeros";
  }
}

TEST_F(ThinTest, ConcatenationLosesTheChannelOfTheInputItCameFrom) {
  GraphBuilder net({6, 6, 3});
  const ValueId left = net.add("left", ConvOp({.out = 4, .kernel = 3}));
  const ValueId right = net.add("right", ConvOp({.out = 5, .kernel = 3}), {0});
  net.add("both", ConcatOp(), {left, right});
  net.add("conv", ConvOp({.out = 3, .kernel = 3}));
  net.add("pool", GlobalAveragePoolOp());
  net.add("fc", LinearOp({.out = 5}));
  const Graph graph = net.finish();
  Weights weights = random_weights(graph, random);
  kill(weights, "left.weight", 3);  // its bias moves into conv's
  ignore(weights, "conv.weight", 4 + 2);
  const Thinned t = thin(graph, weights);
  EXPECT_EQ(shape(t, "left.weight"), (Shape{3, 3, 3, 3}));
  EXPECT_EQ(shape(t, "right.weight"), (Shape{4, 3, 3, 3}));
  EXPECT_EQ(shape(t, "conv.weight"), (Shape{3, 3, 3, 7}));
}

/// A unit of ShuffleNet v2: half of the channels stay, the other half is computed anew, and both are dealt out. The
/// classifier reads one channel of each pair.
Graph shuffled_unit() {
  GraphBuilder net({6, 6, 3});
  const ValueId stem = net.add("stem", ConvOp({.out = 8, .kernel = 3, .pad = 1, .bias = false}));
  const ValueId left = net.add("left", ChannelsOp(0, 4), {stem});
  net.add("right", ChannelsOp(4, 4), {stem});
  const ValueId made = net.add("conv", ConvOp({.out = 4, .kernel = 1, .bias = false}));
  net.add("both", ConcatOp(), {left, made});
  net.add("shuffle", ShuffleChannelsOp(2));
  net.add("pool", GlobalAveragePoolOp());
  net.add("fc", LinearOp({.out = 5}));
  return net.finish();
}

TEST_F(ThinTest, SlicesAndShufflesLoseTheChannelsThatTheirSourcesLose) {
  const Graph graph = shuffled_unit();
  Weights weights = random_weights(graph, random);
  const auto op = [&](const Thinned& t, const std::string& name) {
    return std::find_if(t.graph.steps.begin(), t.graph.steps.end(),
                        [&](const Step& s) { return s.name == name; })
        ->op;
  };
  // One channel that passes by on the left, and the one beside it on the right: a smaller shuffle is left.
  kill(weights, "stem.weight", 2);
  kill(weights, "conv.weight", 2);
  Thinned t = thin(graph, weights);
  EXPECT_EQ(shape(t, "stem.weight"), (Shape{7, 3, 3, 3}));
  EXPECT_EQ(shape(t, "conv.weight"), (Shape{3, 1, 1, 4}));
  EXPECT_EQ(shape(t, "fc.weight"), (Shape{5, 6}));
  EXPECT_EQ(dynamic_cast<const ChannelsOp&>(*op(t, "left")).count, 3);
  EXPECT_EQ(dynamic_cast<const ChannelsOp&>(*op(t, "right")).begin, 3)
      << "behind what is left of the left half";
  EXPECT_STREQ(op(t, "shuffle")->type(), "shuffle_channels");
  // Another one on the left alone: no shuffle any more, but an order of its own.
  kill(weights, "stem.weight", 0);
  t = thin(graph, weights);
  EXPECT_EQ(shape(t, "fc.weight"), (Shape{5, 5}));
  EXPECT_EQ(dynamic_cast<const PickChannelsOp&>(*op(t, "shuffle")).channels,
            (std::vector<int>{2, 0, 3, 1, 4}));
  // What only dead channels of the classifier read is dead on the way back, too: channel 5 of the shuffle is conv's 2,
  // which is dead already; 7 is conv's 3.
  ignore(weights, "fc.weight", 7);
  EXPECT_EQ(shape(thin(graph, weights), "conv.weight"), (Shape{2, 1, 1, 4}));
}

TEST_F(ThinTest, AProductIsConstantWhereAFactorIsZero) {
  GraphBuilder net({6, 6, 3});
  const ValueId image = net.add("conv", ConvOp({.out = 4, .kernel = 3, .pad = 1}));
  net.add("pool", GlobalAveragePoolOp());
  net.add("squeeze", LinearOp({.out = 4}));
  const ValueId gate = net.add("gate", ActivationOp(Activation::Kind::hard_sigmoid));
  net.add("scaled", MulOp(), {image, gate});
  net.add("conv2", ConvOp({.out = 3, .kernel = 3, .pad = 1}));
  net.add("pool2", GlobalAveragePoolOp());
  net.add("fc", LinearOp({.out = 5}));
  const Graph graph = net.finish();
  Weights weights = random_weights(graph, random);
  kill(weights, "squeeze.weight", 2);
  weights.tensors.at("squeeze.bias").data()[2] = -10;  // a gate that is shut
  EXPECT_EQ(shape(thin(graph, weights), "conv.weight"), (Shape{4, 3, 3, 3}))
      << "squeeze still reads the channel";
  ignore(weights, "squeeze.weight", 2);
  const Thinned t = thin(graph, weights);
  EXPECT_EQ(shape(t, "conv.weight"), (Shape{3, 3, 3, 3}));
  EXPECT_EQ(shape(t, "squeeze.weight"), (Shape{3, 3}));
  EXPECT_EQ(shape(t, "conv2.weight"), (Shape{3, 3, 3, 3}));
}

TEST_F(ThinTest, AValueKeepsOneChannelEvenIfAllAreDead) {
  const Graph graph = chain(1);
  Weights weights = random_weights(graph, random);
  for (Index o = 0; o < 6; ++o) kill(weights, "conv2.weight", o);
  const Thinned t = thin(graph, weights);
  EXPECT_EQ(shape(t, "conv1.weight"), (Shape{1, 3, 3, 3}));
  EXPECT_EQ(shape(t, "conv2.weight"), (Shape{1, 3, 3, 1}));
  EXPECT_EQ(shape(t, "fc.weight"), (Shape{5, 9}));
}

TEST_F(ThinTest, MasksLoseTheSameChannels) {
  const Graph graph = chain(1);
  Weights weights = random_weights(graph, random), masks;
  for (const std::string name : {"conv2.weight", "fc.weight"}) {
    Tensor mask = Tensor::full(weights.at(name).shape(), 1);
    for (Index i = 0; i < mask.size(); ++i)
      if (i % 3 == 0) mask.data()[i] = weights.tensors.at(name).data()[i] = 0;
    masks.tensors[name] = mask;
  }
  kill(weights, "conv2.weight", 2);
  kill(masks, "conv2.weight", 2);
  const Thinned t = thin(graph, weights, masks);
  EXPECT_EQ(t.masks.tensors.size(), 2U);
  for (const auto& [name, mask] : t.masks.tensors) {
    ASSERT_EQ(mask.shape(), shape(t, name)) << name;
    for (Index i = 0; i < mask.size(); ++i) EXPECT_EQ(mask.data()[i] == 0, t.weights.at(name).data()[i] == 0);
  }
}

/// A network of blocks drawn at random: residual, depthwise, grouped, pooled, with and without padding.
Graph random_network(Random& random) {
  const auto coin = [&] { return random.below(2) == 0; };
  GraphBuilder net({12, 12, 3});
  const Index width = 4 * (1 + static_cast<Index>(random.below(3)));
  net.add("stem", ConvOp({.out = width, .kernel = 3, .pad = 1, .bias = coin()}));
  if (coin()) net.add("stem_relu", relu);
  for (int block = 0; block < 4; ++block) {
    const auto name = [&](const char* leaf) { return fmt::format("block{}.{}", block, leaf); };
    const ValueId in = net.last();
    const Index c = net.shape(in)[2];
    switch (random.below(8)) {
      case 0: {
        net.add(name("conv1"), ConvOp({.out = 8, .kernel = 3, .pad = 1, .bias = coin()}));
        if (coin()) net.add(name("bn1"), BatchNormOp());
        net.add(name("relu1"), relu);
        net.add(name("conv2"), ConvOp({.out = c, .kernel = 1, .bias = coin()}));
        const ValueId branch = coin() ? net.add(name("bn2"), BatchNormOp()) : net.last();
        net.add(name("sum"), AddOp(), {in, branch});
        break;
      }
      case 1:
        net.add(name("depthwise"),
                ConvOp({.out = coin() ? c : 2 * c, .kernel = 3, .pad = 1, .groups = c, .bias = coin()}));
        break;
      case 2:
        net.add(name("grouped"), ConvOp({.out = 8, .kernel = 3, .pad = 1, .groups = 4, .bias = coin()}));
        break;
      case 3:
        net.add(name("conv"), ConvOp({.out = 7 + c % 2, .kernel = 1, .bias = coin()}));
        net.add(name("conv4"), ConvOp({.out = 8, .kernel = 3, .pad = net.shape(in)[0] < 5, .bias = coin()}));
        break;
      case 4: {
        const ValueId a = net.add(name("a"), ConvOp({.out = 5, .kernel = 3, .pad = 1, .bias = coin()}), {in});
        const ValueId b = net.add(name("b"), ConvOp({.out = 3, .kernel = 1, .bias = coin()}), {in});
        net.add(name("concat"), ConcatOp(), coin() ? std::vector{a, b, in} : std::vector{b, a});
        if (net.shape(net.last())[2] % 4 != 0) net.add(name("even"), ConvOp({.out = 8, .kernel = 1}));
        break;
      }
      case 5: {
        net.add(name("gap"), GlobalAveragePoolOp(), {in});
        net.add(name("squeeze"), LinearOp({.out = 3, .bias = coin()}));
        net.add(name("silu"), ActivationOp(Activation::Kind::silu));
        net.add(name("excite"), LinearOp({.out = c}));
        const ValueId gate = net.add(name("gate"), ActivationOp(Activation::Kind::sigmoid));
        net.add(name("scaled"), MulOp(), {in, gate});
        break;
      }
      case 7: {
        if (c % 2 != 0) break;
        const Index cut =
            coin() ? c / 2 : 1 + static_cast<Index>(random.below(static_cast<std::uint64_t>(c) - 1));
        const ValueId left = net.add(name("left"), ChannelsOp(0, cut), {in});
        net.add(name("right"), ChannelsOp(cut, c - cut), {in});
        const ValueId made =
            net.add(name("conv"), ConvOp({.out = c - cut, .kernel = 3, .pad = 1, .bias = coin()}));
        net.add(name("both"), ConcatOp(), {left, made});
        net.add(name("shuffle"), ShuffleChannelsOp(2));
        break;
      }
      case 6:
        if (net.shape(in)[0] < 5)
          net.add(name("relu2"), relu);
        else if (coin())
          net.add(name("pool"), MaxPoolOp(2, 2));
        else
          net.add(name("pool"), AveragePoolOp(3, 1));
        break;
    }
    if (coin()) net.add(name("relu"), relu);
  }
  if (coin())
    net.add("flatten", FlattenOp());
  else
    net.add("gap", GlobalAveragePoolOp());
  if (coin()) {
    net.add("fc1", LinearOp({.out = 9, .bias = coin()}));
    net.add("relu", relu);
    net.add("dropout", DropoutOp());
  }
  net.add("fc", LinearOp({.out = 5}));
  return net.finish();
}

TEST_F(ThinTest, RandomNetworksWithRandomDeadChannelsKeepTheirLogits) {
  Index weights_before = 0, weights_after = 0;
  for (int trial = 0; trial < 300; ++trial) {
    SCOPED_TRACE(trial);
    const Graph graph = random_network(random);
    Weights weights = random_weights(graph, random);
    const double dead = random.uniform(0.1, 0.6);
    for (const ParameterSpec& p : graph.parameters) {
      for (Index o = 0; o < p.shape[0]; ++o)
        if (p.name != "fc.weight" && random.uniform() < (p.role == Role::bias ? 0.8 : dead))
          kill(weights, p.name, o);
      for (Index i = 0; p.role == Role::weight && i < p.shape[-1]; ++i)
        if (p.shape[-1] > 1 && random.uniform() < dead / 2) ignore(weights, p.name, i);
    }
    for (const StatisticSpec& s : graph.statistics)  // means of zero let constants be zero
      if (s.name.ends_with("mean")) weights.tensors.at(s.name) = Tensor::zeros({s.size});
    const Thinned t = thin(graph, weights);
    for (const ThinnedLayer& l : t.layers) {
      weights_before += l.weights_before;
      weights_after += l.weights;
    }
    if (HasFailure()) return;
    // Nothing is left for a second time, unless only one group is left, whose channels are then no longer tied.
    const Thinned again = thin(t.graph, t.weights);
    const bool grouped = std::any_of(graph.steps.begin(), graph.steps.end(), [](const Step& s) {
      const auto* conv = dynamic_cast<const ConvOp*>(s.op.get());
      return conv && conv->groups > 1;
    });
    for (const ThinnedLayer& l : again.layers) {
      EXPECT_TRUE(grouped || l.outputs == l.outputs_before) << l.name;
    }
    // The description holds.
    const Graph read = from_json(to_json(t.graph), "thin.json");
    check_weights(read, t.weights);
  }
  EXPECT_LT(weights_after, weights_before * 6 / 10);
}

}  // namespace
}  // namespace espalier
