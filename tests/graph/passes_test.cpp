// Passes give graphs that compute the same: with the tape, on values drawn at random.
#include "framework/graph/passes.h"

#include <gtest/gtest.h>

#include "framework/graph/builder.h"
#include "framework/graph/ops.h"
#include "tests/support/curvature.h"

namespace espalier::test {
namespace {

using Kind = Activation::Kind;

/// The graph's output in evaluation, step by step.
Tensor by_hand(const Graph& g, const Weights& weights, const Tensor& input) {
  const Recording off(false);
  std::vector<Var> values(g.values.size());
  values[g.input] = Var(input);
  for (const Step& step : g.steps) {
    std::vector<Var> in, parameters;
    std::vector<Tensor> statistics;
    for (const ValueId id : step.inputs) in.push_back(values[id]);
    for (const int p : step.parameters) parameters.emplace_back(weights.at(g.parameters[p].name));
    for (const int s : step.statistics) statistics.push_back(weights.at(g.statistics[s].name));
    Pass pass;
    values[step.output] = step.op->apply(in, {step.name, parameters, statistics}, pass);
  }
  return values[g.outputs[0]].value();
}

std::vector<std::string> step_names(const Graph& g) {
  std::vector<std::string> all;
  for (const Step& s : g.steps) all.push_back(s.name);
  return all;
}

TEST(Passes, ComputeTheSame) {
  for (const auto& model : {conv_net(), branching_net()}) {
    const Weights weights = weights_of(model->store());
    const Tensor x = Tensor::from({5, 6, 6, 2}, normal_values(360, 3));
    const Tensor expected = by_hand(model->graph(), weights, x);
    const auto [folded, own] = fold_batch_norm(model->graph(), weights);
    check_weights(folded, own);
    for (const Tensor& y : {by_hand(join_activations(model->graph(), Joined::fused), weights, x),
                            by_hand(join_activations(model->graph(), Joined::all), weights, x),
                            by_hand(folded, own, x), by_hand(join_activations(folded, Joined::all), own, x)})
      for (Index k = 0; k < y.size(); ++k)
        ASSERT_NEAR(y.data()[k], expected.data()[k], sizeof(Real) == 8 ? 1e-12 : 1e-5);
  }
}

TEST(JoinActivations, TakesTheOnlyReaderOfAnOpThatCan) {
  GraphBuilder net({4, 4, 2});
  const ValueId read_twice = net.add("conv1", ConvOp({.out = 2, .kernel = 1}));
  net.add("relu1", ActivationOp(Kind::relu));
  net.add("sum", AddOp(), {net.last(), read_twice});
  net.add("relu2", ActivationOp(Kind::relu));
  net.add("conv2", ConvOp({.out = 2, .kernel = 1}));
  net.add("silu", ActivationOp(Kind::silu));
  net.add("pool", AveragePoolOp(2, 2));
  net.add("relu3", ActivationOp(Kind::relu));
  const Graph g = net.finish();
  EXPECT_EQ(step_names(join_activations(g, Joined::fused)),
            (std::vector<std::string>{"conv1", "relu1", "sum", "conv2", "silu", "pool", "relu3"}));
  EXPECT_EQ(step_names(join_activations(g, Joined::all)),
            (std::vector<std::string>{"conv1", "relu1", "sum", "conv2", "pool", "relu3"}));
}

TEST(FoldBatchNorm, LeavesWhatItCannotFold) {
  GraphBuilder net({4, 4, 2});
  net.add("bn0", BatchNormOp());  // of the input
  const ValueId shared = net.add("conv1", ConvOp({.out = 2, .kernel = 1, .bias = false}));
  net.add("bn1", BatchNormOp());  // of a value that another step reads too
  net.add("sum", AddOp(), {net.last(), shared});
  net.add("conv2", ConvOp({.out = 2, .kernel = 1, .bias = false}));
  net.add("bn2", BatchNormOp());
  net.add("flatten", FlattenOp());
  net.add("fc", LinearOp({.out = 3}));
  net.add("bn3", BatchNormOp());
  const Model model(net.finish(), 3, 1);
  const auto [folded, own] = fold_batch_norm(model.graph(), weights_of(model.store()));
  EXPECT_EQ(step_names(folded),
            (std::vector<std::string>{"bn0", "conv1", "bn1", "sum", "conv2", "flatten", "fc"}));
  EXPECT_TRUE(own.has("conv2.bias"));
  EXPECT_FALSE(own.has("bn2.weight") || own.has("bn2.running_mean") || own.has("bn3.bias"));
  EXPECT_EQ(folded.statistics.size(), 4u);
}

TEST(DropIdentities, DropoutAndFlattenOfOneChannelGo) {
  GraphBuilder net({4, 4, 1});
  net.add("dropout1", DropoutOp());
  net.add("flatten1", FlattenOp());
  net.add("fc", LinearOp({.out = 8}));
  net.add("dropout2", DropoutOp());
  net.add("flatten2", FlattenOp());
  const Graph dropped = drop_identities(net.finish());
  EXPECT_EQ(step_names(dropped), std::vector<std::string>{"fc"});
  EXPECT_EQ(dropped.steps[0].inputs[0], dropped.input);
  EXPECT_EQ(dropped.outputs[0], dropped.steps[0].output);
}

TEST(Count, MultiplyAddsAreThoseOfTheFormulas) {
  const auto model = conv_net();
  const std::vector<StepCost> costs = count(model->graph());
  EXPECT_EQ(costs[0].macs, 6 * 6 * 3 * 9 * 2) << "conv1: pixels x maps x taps x inputs";
  EXPECT_EQ(costs[0].parameters, 54 + 3);
  EXPECT_EQ(costs[0].output, 6 * 6 * 3);
  EXPECT_EQ(costs.back().macs, 4 * 3);
  Index parameters = 0;
  for (const StepCost& c : costs) parameters += c.parameters;
  EXPECT_EQ(parameters, model->store().size());
}

TEST(PiecewiseLinear, TellsWhereTheHessianOfALayerIsGaussNewton) {
  const auto of = [](const auto& model, const std::string& name) {
    const auto& all = model->graph().parameters;
    const auto at =
        std::find_if(all.begin(), all.end(), [&](const ParameterSpec& p) { return p.name == name; });
    return piecewise_linear_in(model->graph(), static_cast<int>(at - all.begin()));
  };
  const auto relu_net = conv_net(), smooth = branching_net();
  for (const char* name : {"conv1.weight", "conv2.weight", "conv3.weight", "fc.weight"})
    EXPECT_TRUE(of(relu_net, name)) << name;
  EXPECT_TRUE(of(smooth, "fc.weight")) << "nothing bends behind it";
  for (const char* name : {"stem.weight", "branch2.conv.weight", "mix.weight", "gate.weight"})
    EXPECT_FALSE(of(smooth, name)) << name;
  GraphBuilder net({4});
  const ValueId a = net.add("a", LinearOp({.out = 3}));
  net.add("b", LinearOp({.out = 3}));
  net.add("mul", MulOp(), {a, net.last()});
  const Graph product = net.finish();
  EXPECT_FALSE(piecewise_linear_in(product, 0)) << "a b(a) is a square of a";
  EXPECT_TRUE(piecewise_linear_in(product, 2)) << "a b is linear in b";
}

}  // namespace
}  // namespace espalier::test
