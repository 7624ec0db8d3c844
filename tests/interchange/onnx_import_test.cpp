// What exporters write in many ways becomes the same few ops; what cannot become one is named.
#include <gtest/gtest.h>

#include "framework/graph/ops.h"
#include "framework/infer/engine.h"
#include "framework/interchange/onnx/export.h"
#include "framework/interchange/onnx/import.h"
#include "tests/support/arrays.h"
#include "tests/support/expect_error.h"

namespace espalier::onnx {
namespace {

using espalier::testing::expect_error;
using Strings = std::vector<std::string>;

/// A model put together by hand.
struct Written : ModelProto {
  explicit Written(const std::vector<std::int64_t>& input, int opset = 13) {
    path = "net.onnx";
    contents = std::make_shared<const std::string>();
    opset_import[""] = opset;
    ValueInfoProto x;
    x.name = "x";
    x.elem_type = FLOAT;
    for (const std::int64_t d : input) x.shape.push_back({d, d < 0 ? "n" : ""});
    graph.input.push_back(x);
  }
  NodeProto& node(const std::string& op, const Strings& in, const std::string& out) {
    NodeProto n;
    n.op_type = op;
    n.name = "node_" + out;
    n.input = in;
    n.output = {out};
    graph.node.push_back(n);
    graph.output = {{.name = out, .elem_type = FLOAT, .shape = {}}};
    return graph.node.back();
  }
  void reals(const std::string& name, const std::vector<std::int64_t>& dims,
             const std::vector<float>& values) {
    TensorProto t;
    t.name = name;
    t.dims = dims;
    t.data_type = FLOAT;
    t.float_data = values;
    graph.initializer.push_back(t);
  }
  void drawn(const std::string& name, const std::vector<std::int64_t>& dims, int seed) {
    std::int64_t size = 1;
    for (const std::int64_t d : dims) size *= d;
    reals(name, dims, test::normal_values<float>(size, seed));
  }
  void integers(const std::string& name, const std::vector<std::int64_t>& values) {
    TensorProto t;
    t.name = name;
    t.dims = {static_cast<std::int64_t>(values.size())};
    t.data_type = INT64;
    t.int64_data = values;
    graph.initializer.push_back(t);
  }
};
void set_ints(NodeProto& n, const std::string& name, const std::vector<std::int64_t>& values) {
  AttributeProto a;
  a.name = name;
  a.type = AttributeProto::INTS;
  a.ints = values;
  n.attribute.push_back(a);
}
void set_int(NodeProto& n, const std::string& name, std::int64_t value) {
  AttributeProto a;
  a.name = name;
  a.type = AttributeProto::INT;
  a.i = value;
  n.attribute.push_back(a);
}
void set_real(NodeProto& n, const std::string& name, float value) {
  AttributeProto a;
  a.name = name;
  a.type = AttributeProto::FLOAT;
  a.f = value;
  n.attribute.push_back(a);
}
void set_text(NodeProto& n, const std::string& name, const std::string& value) {
  AttributeProto a;
  a.name = name;
  a.type = AttributeProto::STRING;
  a.s = value;
  n.attribute.push_back(a);
}

Strings ops_of(const Imported& net) {
  Strings types;
  for (const Step& step : net.graph.steps) types.push_back(step.op->type());
  return types;
}

/// Output of one example, whose values count up from 0 in ONNX's order [c, h, w].
std::vector<Real> run(const Imported& net, const std::vector<Real>& chw) {
  const Shape s = net.graph.shape(net.graph.input);
  std::vector<Real> x = chw;
  if (s.rank() == 3)
    for (Index p = 0; p < s[0] * s[1]; ++p)
      for (Index c = 0; c < s[2]; ++c) x[p * s[2] + c] = chw[c * s[0] * s[1] + p];
  const Tensor in = s.rank() == 3 ? Tensor::from({1, s[0], s[1], s[2]}, x) : Tensor::from({1, s[0]}, x);
  const Tensor out = Engine(net.graph, net.weights)(in);
  return {out.values().begin(), out.values().end()};
}

TEST(OnnxImport, HardSwishSpelledOutIsHardSwish) {
  for (const bool divide_first : {true, false}) {
    Written m({-1, 2, 1, 2});
    m.reals("three", {}, {3});
    m.reals("six", {}, {6});
    m.reals("zero", {}, {0});
    m.node("Add", {"x", "three"}, "a");
    m.node("Clip", {"a", "zero", "six"}, "b");
    if (divide_first) {
      m.node("Div", {"b", "six"}, "c");
      m.node("Mul", {"x", "c"}, "y");
    } else {
      m.node("Mul", {"b", "x"}, "c");
      m.node("Div", {"c", "six"}, "y");
    }
    const Imported net = import_model(m);
    EXPECT_EQ(ops_of(net), Strings{"hard_swish"});
    EXPECT_NEAR(run(net, {1, -4, 4, -1})[0], 1.0 * 4 / 6, 1e-6);
  }
}

TEST(OnnxImport, SigmoidTimesItsInputIsSilu) {
  Written m({-1, 1, 1, 2});
  m.node("Sigmoid", {"x"}, "s");
  m.node("Mul", {"s", "x"}, "y");
  EXPECT_EQ(ops_of(import_model(m)), Strings{"silu"});
}

TEST(OnnxImport, GeluSpelledOutIsGelu) {
  Written m({-1, 1, 1, 2});
  m.reals("root2", {}, {1.41421356F});
  m.reals("one", {}, {1});
  m.reals("half", {}, {0.5F});
  m.node("Div", {"x", "root2"}, "a");
  m.node("Erf", {"a"}, "b");
  m.node("Add", {"b", "one"}, "c");
  m.node("Mul", {"x", "c"}, "d");
  m.node("Mul", {"d", "half"}, "y");
  EXPECT_EQ(ops_of(import_model(m)), Strings{"gelu"});
}

TEST(OnnxImport, ClipsAreReluRelu6OrNothing) {
  const auto clip = [](float low, float high, int opset) {
    Written m({-1, 1, 1, 2}, opset);
    if (opset < 11) {
      NodeProto& n = m.node("Clip", {"x"}, "y");
      set_real(n, "min", low);
      set_real(n, "max", high);
    } else {
      m.reals("low", {}, {low});
      m.reals("high", {}, {high});
      m.node("Clip", {"x", "low", "high"}, "y");
    }
    return import_model(m);
  };
  for (const int opset : {9, 13}) {
    EXPECT_EQ(ops_of(clip(0, 6, opset)), Strings{"clip"});
    EXPECT_EQ(ops_of(clip(0, INFINITY, opset)), Strings{"relu"});
    EXPECT_EQ(run(clip(-1, 0.5F, opset), {-3, 3}), (std::vector<Real>{-1, 0.5F}));
  }
}

TEST(OnnxImport, AProductWithAMatrixAndAnAddIsALinearLayer) {
  Written m({-1, 3});
  m.reals("fc.weight_t", {3, 2}, {1, 2, 3, 4, 5, 6});  // transposed copy, as PyTorch writes it
  m.reals("fc.bias", {2}, {10, 20});
  m.node("MatMul", {"x", "fc.weight_t"}, "a");
  m.node("Add", {"fc.bias", "a"}, "y");
  const Imported net = import_model(m);
  EXPECT_EQ(ops_of(net), Strings{"linear"});
  EXPECT_EQ(run(net, {1, 1, 1}), (std::vector<Real>{19, 32}));
}

TEST(OnnxImport, GemmKnowsAlphaBetaAndBothOrders) {
  for (const bool transposed : {false, true}) {
    Written m({-1, 2});
    m.reals("w", transposed ? std::vector<std::int64_t>{3, 2} : std::vector<std::int64_t>{2, 3},
            transposed ? std::vector<float>{1, 4, 2, 5, 3, 6} : std::vector<float>{1, 2, 3, 4, 5, 6});
    m.reals("b", {1}, {100});
    NodeProto& n = m.node("Gemm", {"x", "w", "b"}, "y");
    set_int(n, "transB", transposed);
    set_real(n, "alpha", 2);
    set_real(n, "beta", 0.5F);
    EXPECT_EQ(run(import_model(m), {1, 1}), (std::vector<Real>{60, 64, 68}));
  }
}

TEST(OnnxImport, StepsAreNamedAfterTheirWeightsBehindIdentity) {
  Written m({-1, 1, 2, 2});
  m.drawn("layer1.0.conv1.weight", {2, 1, 1, 1}, 1);
  m.node("Identity", {"layer1.0.conv1.weight"}, "copy");
  m.node("Conv", {"x", "copy"}, "y");
  const Imported net = import_model(m);
  ASSERT_EQ(net.graph.parameters.size(), 1U);
  EXPECT_EQ(net.graph.parameters[0].name, "layer1.0.conv1.weight");
}

TEST(OnnxImport, AShapeThatTheNetworkComputesIsFolded) {
  // flatten as PyTorch 1.0 wrote it: [shape(x)[0], -1]
  Written m({-1, 2, 2, 3});
  m.integers("zero", {0});
  m.integers("minus", {-1});
  m.node("Shape", {"x"}, "shape");
  set_int(m.node("Gather", {"shape", "zero"}, "n"), "axis", 0);
  set_int(m.node("Concat", {"n", "minus"}, "target"), "axis", 0);
  m.node("Reshape", {"x", "target"}, "y");
  const Imported net = import_model(m);
  EXPECT_EQ(ops_of(net), Strings{"flatten"});
  EXPECT_EQ(run(net, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}),
            (std::vector<Real>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}))
      << "in PyTorch's order";
}

TEST(OnnxImport, FeaturesInTheOrderOfPixelsArePutInOurs) {
  // TensorFlow: transpose to [n, h, w, c], flatten, multiply.
  Written m({-1, 2, 1, 3});
  set_ints(m.node("Transpose", {"x"}, "t"), "perm", {0, 2, 3, 1});
  m.integers("target", {0, -1});
  m.node("Reshape", {"t", "target"}, "flat");
  m.reals("w", {6, 1}, {1, 10, 100, 1000, 10000, 100000});  // pixel by pixel: c0 c1, c0 c1, c0 c1
  m.node("MatMul", {"flat", "w"}, "y");
  EXPECT_EQ(run(import_model(m), {1, 2, 3, 4, 5, 6}),
            std::vector<Real>{1 + 40 + 200 + 5000 + 30000 + 600000});
}

TEST(OnnxImport, ConstantsOfChannelsGoIntoTheLayerBeforeOrBecomeOne) {
  Written m({-1, 2, 1, 1});
  m.reals("mean", {1, 2, 1, 1}, {1, 2});
  m.reals("std", {2, 1, 1}, {2, 4});
  m.reals("w", {1, 2, 1, 1}, {1, 1});
  m.reals("factor", {}, {10});
  m.reals("bias", {1, 1, 1}, {7});
  m.node("Sub", {"x", "mean"}, "a");
  m.node("Div", {"a", "std"}, "b");
  m.node("Conv", {"b", "w"}, "c");
  m.node("Mul", {"factor", "c"}, "d");
  m.node("Add", {"d", "bias"}, "y");
  const Imported net = import_model(m);
  EXPECT_EQ(ops_of(net), (Strings{"conv", "conv"})) << "normalisation of each channel; the convolution";
  EXPECT_FLOAT_EQ(run(net, {3, 10})[0], 10 * (1 + 2) + 7);
}

TEST(OnnxImport, PaddingIsTakenByTheLayerAfterIt) {
  Written m({-1, 1, 2, 2});
  m.integers("pads", {0, 0, 1, 0, 0, 0, 0, 1});  // a row above, a column to the right
  m.node("Pad", {"x", "pads"}, "p");
  m.reals("w", {1, 1, 2, 2}, {1, 10, 100, 1000});
  m.node("Conv", {"p", "w"}, "y");
  EXPECT_EQ(run(import_model(m), {1, 2, 3, 4}), (std::vector<Real>{2100, 200, 4321, 402}));
}

// Before anything else it is a step: in a maximum its zeros count, and at the end they are part of the output.
TEST(OnnxImport, PaddingBeforeOtherOpsIsAStep) {
  Written m({-1, 1, 2, 2});
  m.integers("pads", {0, 0, 1, 0, 0, 0, 0, 1});
  m.node("Pad", {"x", "pads"}, "p");
  EXPECT_EQ(run(import_model(m), {1, 2, 3, 4}), (std::vector<Real>{0, 0, 0, 1, 2, 0, 3, 4, 0}));
  set_ints(m.node("MaxPool", {"p"}, "y"), "kernel_shape", {2, 2});
  const Imported net = import_model(m);
  EXPECT_EQ(ops_of(net), (Strings{"pad", "max_pool"}));
  EXPECT_EQ(run(net, {-1, -2, -3, -4}), (std::vector<Real>{0, 0, -1, 0}));
  const Imported again = import_model(parse_model(export_model(net.graph, net.weights), "out.onnx"));
  EXPECT_EQ(run(again, {-1, -2, -3, -4}), (std::vector<Real>{0, 0, -1, 0}));
}

TEST(OnnxImport, SameUpperAndLowerPadUnevenly) {
  for (const char* way : {"SAME_UPPER", "SAME_LOWER"}) {
    Written m({-1, 1, 1, 3});
    m.reals("w", {1, 1, 1, 2}, {1, 10});
    set_text(m.node("Conv", {"x", "w"}, "y"), "auto_pad", way);
    const bool upper = std::string(way) == "SAME_UPPER";
    EXPECT_EQ(run(import_model(m), {1, 2, 3}),
              (upper ? std::vector<Real>{21, 32, 3} : std::vector<Real>{10, 21, 32}));
  }
}

TEST(OnnxImport, WhatWasLeftOutAtTheEndGoesOutAgainUnderTheSameNames) {
  Written m({-1, 4});
  m.drawn("w", {3, 4}, 1);
  set_int(m.node("Gemm", {"x", "w"}, "scores"), "transB", 1);
  set_int(m.node("LogSoftmax", {"scores"}, "log_probabilities"), "axis", -1);
  const Imported net = import_model(m);
  EXPECT_EQ(net.ending, "LogSoftmax");
  const ModelProto out =
      parse_model(export_model(net.graph, net.weights, {.ending = net.ending}), "out.onnx");
  EXPECT_EQ(out.graph.input.at(0).name, "x");
  EXPECT_EQ(out.graph.output.at(0).name, "log_probabilities");
  EXPECT_EQ(out.graph.node.back().op_type, "LogSoftmax");
  const Imported again = import_model(out);
  EXPECT_EQ(again.ending, "LogSoftmax");
  EXPECT_EQ(again.graph.value(again.graph.outputs[0]).name, "log_probabilities");
  // Over something else than the classes it would change their order.
  Written over_pixels({-1, 2, 3, 4});
  set_int(over_pixels.node("Softmax", {"x"}, "y"), "axis", 3);
  expect_error(ExitCode::checkpoint, {"node_y", "over axis 3"}, [&] { import_model(over_pixels); });
}

TEST(OnnxImport, OfSeveralOutputsOneIsNamedAndTheOthersAreSaidToBeLeftOut) {
  Written m({-1, 4});
  m.drawn("w", {3, 4}, 1);
  m.drawn("v", {5, 4}, 2);
  set_int(m.node("Gemm", {"x", "v"}, "features"), "transB", 1);
  const auto first = m.graph.output;
  set_int(m.node("Gemm", {"x", "w"}, "logits"), "transB", 1);
  m.graph.output.insert(m.graph.output.begin(), first.begin(), first.end());
  expect_error(ExitCode::checkpoint, {"2 outputs", "'features', 'logits'", "\"output\""},
               [&] { import_model(m); });
  const Imported net = import_model(m, {.output = "logits"});
  EXPECT_EQ(net.graph.steps.size(), 1U);
  EXPECT_EQ(net.graph.value(net.graph.outputs[0]).name, "logits");
  ASSERT_EQ(net.notices.size(), 1U);
  EXPECT_NE(net.notices[0].find("'features'"), std::string::npos) << net.notices[0];
  expect_error(ExitCode::checkpoint, {"'logit'", "'features', 'logits'"},
               [&] { import_model(m, {.output = "logit"}); });
}

// The same network as files of every age write it. PyTorch's of opsets 7 to 17 are in onnx_networks_test.cpp.
TEST(OnnxImport, WhereOpsetsDifferTheNetworkIsTheSame) {
  const Tensor x = Tensor::from({1, 2, 2, 3}, test::normal_values<Real>(12, 3));
  std::vector<Real> first;
  for (int opset = 7; opset <= 21; ++opset) {
    SCOPED_TRACE(opset);
    Written m({-1, 3, 2, 2}, opset);
    m.ir_version = std::clamp(opset - 4, 3, 10);
    m.drawn("w", {4, 3, 1, 1}, 1);
    if (m.ir_version < 4) {  // initialisers were listed as inputs, too
      ValueInfoProto weight;
      weight.name = "w";
      weight.elem_type = FLOAT;
      m.graph.input.push_back(weight);
    }
    m.node("Conv", {"x", "w"}, "c");
    m.integers("axes", {2, 3});
    NodeProto& mean = m.node("ReduceMean", opset < 18 ? Strings{"c"} : Strings{"c", "axes"}, "mean");
    if (opset < 18) set_ints(mean, "axes", {2, 3});
    m.node("Dropout", {"mean"}, "kept");
    NodeProto& squeeze = m.node("Squeeze", opset < 13 ? Strings{"kept"} : Strings{"kept", "axes"}, "flat");
    if (opset < 13) set_ints(squeeze, "axes", {2, 3});
    m.reals("low", {}, {-0.5F});
    m.reals("high", {}, {0.75F});
    NodeProto& clip =
        m.node("Clip", opset < 11 ? Strings{"flat"} : Strings{"flat", "low", "high"}, "clipped");
    if (opset < 11) set_real(clip, "min", -0.5F), set_real(clip, "max", 0.75F);
    m.integers("parts", {1, 3});
    NodeProto& split = m.node("Split", opset < 13 ? Strings{"clipped"} : Strings{"clipped", "parts"}, "left");
    split.output.push_back("right");
    set_int(split, "axis", 1);
    if (opset < 13) set_ints(split, "split", {1, 3});
    m.node("Concat", {"right", "left"}, "y");
    set_int(m.graph.node.back(), "axis", 1);
    const Imported net = import_model(m);
    const Tensor y = Engine(net.graph, net.weights)(x);
    const std::vector<Real> values(y.values().begin(), y.values().end());
    if (first.empty()) first = values;
    EXPECT_EQ(values, first);
  }
}

TEST(OnnxImport, GatherPicksChannelsAndGoesOutAgain) {
  Written m({-1, 6, 2, 2});
  m.integers("order", {4, -6, 2});
  set_int(m.node("Gather", {"x", "order"}, "y"), "axis", 1);
  const Imported net = import_model(m);
  EXPECT_STREQ(net.graph.steps[0].op->type(), "pick_channels");
  const Imported again = import_model(parse_model(export_model(net.graph, net.weights), "out.onnx"));
  const Tensor x = Tensor::from({1, 2, 2, 6}, test::normal_values<Real>(24, 1));
  const Tensor a = Engine(net.graph, net.weights)(x), b = Engine(again.graph, again.weights)(x);
  for (Index p = 0; p < 4; ++p)
    for (const auto& [to, from] : {std::pair{0, 4}, {1, 0}, {2, 2}}) {
      EXPECT_EQ(a.data()[p * 3 + to], x.data()[p * 6 + from]);
      EXPECT_EQ(b.data()[p * 3 + to], x.data()[p * 6 + from]);
    }
  m.integers("twice", {1, 1});
  m.graph.node[0].input[1] = "twice";
  expect_error(ExitCode::checkpoint, {"node_y", "hold 1 twice"}, [&] { import_model(m); });
}

TEST(OnnxImport, SoftmaxAtTheEndIsLeftOutAndSaid) {
  Written m({-1, 3});
  m.reals("w", {3, 2}, {1, 2, 3, 4, 5, 6});
  m.node("MatMul", {"x", "w"}, "a");
  set_int(m.node("Softmax", {"a"}, "y"), "axis", 1);
  const Imported net = import_model(m);
  EXPECT_EQ(ops_of(net), Strings{"linear"});
  ASSERT_FALSE(net.notices.empty());
  EXPECT_NE(net.notices[0].find("Softmax"), std::string::npos);
}

TEST(OnnxImport, OneOfSeveralOutputsMustBeNamed) {
  Written m({-1, 3});
  m.node("Relu", {"x"}, "a");
  m.node("Tanh", {"x"}, "b");
  m.graph.output = {{.name = "a", .elem_type = FLOAT, .shape = {}},
                    {.name = "b", .elem_type = FLOAT, .shape = {}}};
  expect_error(ExitCode::checkpoint, {"net.onnx", "'a', 'b'", "\"output\""}, [&] { import_model(m); });
  EXPECT_EQ(ops_of(import_model(m, {.output = "b"})), Strings{"tanh"});
  expect_error(ExitCode::checkpoint, {"'c'", "'a', 'b'"}, [&] { import_model(m, {.output = "c"}); });
}

TEST(OnnxImport, WhatIsNotSupportedIsNamedWithNodeOpAndAttribute) {
  const auto refuse = [](Written& m, std::initializer_list<std::string> parts) {
    expect_error(ExitCode::checkpoint, parts, [&] { import_model(m); });
  };
  {
    Written m({-1, 1, 4, 4});
    m.node("Resize", {"x"}, "y");
    refuse(m, {"net.onnx: node 'node_y' (Resize, opset 13)", "not supported", "Conv"});
  }
  {
    Written m({-1, 1, 4, 4});
    NodeProto& n = m.node("MaxPool", {"x"}, "y");
    set_ints(n, "kernel_shape", {2, 2});
    set_ints(n, "dilations", {2, 2});
    refuse(m, {"'node_y' (MaxPool", "dilations"});
  }
  {
    Written m({-1, 1, 4, 4});
    m.drawn("w", {1, 1, 3, 3}, 1);
    set_text(m.node("Conv", {"x", "w"}, "y"), "padding_mode", "reflect");
    refuse(m, {"(Conv", "attribute padding_mode", "kernel_shape"});
  }
  {
    Written m({-1, 1, 4, 4});
    m.node("Conv", {"x", "missing"}, "y");
    refuse(m, {"(Conv", "'missing'", "nowhere in the file"});
  }
  {
    Written m({-1, 1, 4, 4});
    m.node("Relu", {"later"}, "y");
    m.node("Tanh", {"x"}, "later");
    m.graph.output = {{.name = "y", .elem_type = FLOAT, .shape = {}}};
    refuse(m, {"'later' is computed later"});
  }
  {
    Written m({-1, 3}, 5);
    m.node("Relu", {"x"}, "y");
    refuse(m, {"net.onnx", "opset 5", "6 to 21"});
  }
  {
    Written m({-1, -1, -1, -1});
    m.node("Relu", {"x"}, "y");
    refuse(m, {"input 'x' [n, n, n, n]", "size open"});
    EXPECT_EQ(import_model(m, {.image = {4, 5, 3}}).graph.shape(0), (Shape{4, 5, 3}));
  }
  {
    Written m({-1, 3, 8, 8});
    m.node("Relu", {"x"}, "y");
    expect_error(ExitCode::checkpoint, {"does not take images of height 4, width 4 and 1 channels"}, [&] {
      import_model(m, {.image = {4, 4, 1}});
    });
  }
}

TEST(OnnxImport, ConstantsCannotGrowWithoutEnd) {
  Written m({-1, 3});
  m.integers("c0", {1, 1, 1, 1});
  for (int i = 0; i < 40; ++i)
    set_int(m.node("Concat", {fmt::format("c{}", i), fmt::format("c{}", i)}, fmt::format("c{}", i + 1)),
            "axis", 0);
  m.node("Reshape", {"x", "c40"}, "y");
  expect_error(ExitCode::checkpoint, {"net.onnx"}, [&] { import_model(m); });
}

}  // namespace
}  // namespace espalier::onnx
