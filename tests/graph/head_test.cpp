// A new classifier on an old network: other units, fresh weights, and everything else as it was.
#include "framework/graph/head.h"

#include <gtest/gtest.h>

#include "framework/graph/builder.h"
#include "framework/graph/init.h"
#include "framework/graph/ops.h"
#include "framework/nn/model.h"
#include "tests/support/expect_error.h"

namespace espalier {
namespace {

Graph with_values(Graph graph, Real value) {
  for (ParameterSpec& p : graph.parameters) p.init = constant(value);  // as an ONNX file's
  return graph;
}

TEST(Head, IsTheLastLinearLayerAndAloneStartsFresh) {
  GraphBuilder net({8, 8, 3});
  net.add("conv", ConvOp({.out = 4, .kernel = 3}));
  net.add("pool", GlobalAveragePoolOp());
  net.add("drop", DropoutOp());
  net.add("fc", LinearOp({.out = 10}), {net.last()}, "logits");
  const Graph graph = with_values(net.finish(), Real(0.5));
  EXPECT_EQ(graph.steps[head_of(graph)].name, "fc");
  const Graph other = with_new_head(graph, 3);
  EXPECT_EQ(other.shape(other.outputs[0]), Shape{3});
  EXPECT_EQ(other.value(other.outputs[0]).name, "logits");
  const Model model(other, 3, 1);
  for (const ParameterInfo& p : model.store().infos()) {
    const Real first = model.store().values()[p.range.begin];
    if (p.name == "fc.bias")
      EXPECT_EQ(first, Real(0));
    else
      EXPECT_EQ(first == Real(0.5), p.name != "fc.weight") << p.name;
  }
  EXPECT_EQ(head_parameters(other), (std::set<std::string>{"fc.weight", "fc.bias"}));
}

TEST(Head, MayBeAConvolutionBeforeTheMeanOverAllPixels) {
  GraphBuilder net({8, 8, 3});
  net.add("conv", ConvOp({.out = 4, .kernel = 3}));
  net.add("classifier", ConvOp({.out = 10, .kernel = 1}));
  net.add("relu", ActivationOp(Activation::Kind::relu));
  net.add("pool", GlobalAveragePoolOp());
  const Graph other = with_new_head(net.finish(), 7);
  EXPECT_EQ(other.shape(other.outputs[0]), Shape{7});
}

TEST(Head, ANetworkWithoutASingleOneSaysWhatIsThere) {
  GraphBuilder net({8, 8, 3});
  net.add("pool", GlobalAveragePoolOp());
  const ValueId x = net.last();
  const ValueId a = net.add("a", LinearOp({.out = 4}), {x}), b = net.add("b", LinearOp({.out = 4}), {x});
  net.add("sum", AddOp(), {a, b});
  testing::expect_error(ExitCode::config, {"new_head", "'sum' (add)", "single layer"},
                        [graph = net.finish()] { with_new_head(graph, 2); });
}

}  // namespace
}  // namespace espalier
