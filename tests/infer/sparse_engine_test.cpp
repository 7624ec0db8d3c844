// sparse_engine_test.cpp: the engine that leaves pruned weights out against the dense engine, which multiplies by their
// zeros: whole networks and graphs with steps that have no sparse kernel, measured plans and given ones.
#include "framework/infer/sparse_engine.h"

#include <gtest/gtest.h>

#include "framework/core/parallel.h"
#include "framework/graph/builder.h"
#include "framework/infer/blocked_program.h"
#include "framework/infer/sparse_measure.h"
#include "framework/nn/model.h"
#include "tests/kernels/each_instruction_set.h"
#include "tests/support/arrays.h"
#include "tests/support/precision.h"

namespace espalier::test {
namespace {

/// The weights of a graph, with a share `density` of each layer left.
Weights pruned(const Graph& graph, double density) {
  const Model model(graph, 10, 1);
  Weights weights = weights_of(model.store());
  Random random(5, Random::Use::test);
  for (const ParameterSpec& p : graph.parameters) {
    weights.tensors[p.name] = weights.tensors[p.name].clone();
    for (Real& v : weights.tensors[p.name].values())
      if (p.role == Role::weight ? random.uniform(0, 1) >= density : v == 0)
        v = p.role == Role::weight ? Real(0) : static_cast<Real>(random.uniform(-0.1, 0.1));
  }
  return weights;
}

Graph network(const std::string& name) {
  Variant<ModelSettings> settings;
  settings.choose(name);
  return settings->graph(name == "mlpnet" ? Shape{28, 28, 1} : Shape{32, 32, 3}, 10);
}

/// Two branches of different depth, a step without a sparse kernel in the middle, groups, a stride, odd extents.
Graph mixed_graph() {
  GraphBuilder b(Shape{17, 15, 3});
  const ValueId stem = b.add("stem", ConvOp({.out = 8, .kernel = 3, .pad = 1}));
  const ValueId stem_relu = b.add("stem_relu", ActivationOp(Activation::Kind::relu), {stem});
  const ValueId left = b.add("left", ConvOp({.out = 8, .kernel = 5, .pad = 2}), {stem_relu});
  const ValueId right = b.add("right", ConvOp({.out = 8, .kernel = 1}), {stem_relu});
  const ValueId sum = b.add("sum", AddOp(), {left, right});
  b.add("sum_relu", ActivationOp(Activation::Kind::relu), {sum});
  b.add("middle", ConvOp({.out = 8, .kernel = 1, .groups = 2}));
  b.add("wide", ConvOp({.out = 12, .kernel = 3, .stride = 2, .pad = 1}));
  b.add("wide_relu", ActivationOp(Activation::Kind::relu));
  b.add("grouped", ConvOp({.out = 12, .kernel = 3, .pad = 1, .groups = 3}));
  b.add("pool", MaxPoolOp(3, 2));
  b.add("flatten", FlattenOp());
  b.add("fc", LinearOp({.out = 10}));
  return b.finish();
}

Tensor images_of(const Graph& graph, Index n) {
  const Shape& s = graph.shape(graph.input);
  Tensor x = Tensor::uninitialized({n, s[0], s[1], s[2]});
  const auto values = normal_values(x.size(), 7);
  std::copy(values.begin(), values.end(), x.data());
  return x;
}
template <class AnyEngine>
std::vector<Real> logits(const AnyEngine& engine, const Tensor& images) {
  Tensor y = Tensor::full({images.shape()[0], 10}, std::numeric_limits<Real>::quiet_NaN());
  engine.run(images, y);
  return {y.data(), y.data() + y.size()};
}
/// Sums of thousands of products of values around 1, layer upon layer.
constexpr double allowed = 3000 * unit;

/// A plan with everything sparse that can be.
SparsePlan all_sparse(const Graph& graph, Index few_images, Index many_images) {
  const Engine dense(graph, pruned(graph, 1));
  Measured measured;  // as if sparse steps cost nothing
  for (const Step& step : dense.graph().steps) {
    measured.dense.push_back(1);
    const bool linear = dynamic_cast<const LinearOp*>(step.op.get());
    measured.sparse.push_back(has_blocked_kernel(step) || linear ? 0
                                                                 : std::numeric_limits<double>::infinity());
  }
  return {choose_ways(dense.graph(), measured, few_images).side,
          choose_ways(dense.graph(), measured, many_images).side, 8};
}

TEST(SparseEngine, WholeNetworksComputeWhatTheDenseEngineComputes) {
  for (const char* name : {"cifarnet", "resnet20", "mlpnet"}) {
    SCOPED_TRACE(name);
    const Graph graph = network(name);
    const Weights weights = pruned(graph, 0.1);
    for_each_instruction_set([&] {
      const Index lanes = kernels::instruction_set().lanes;
      const Engine dense(graph, weights);
      for (const Index images : {lanes, std::max<Index>(1, lanes / 4), std::max<Index>(1, lanes / 16)}) {
        const SparseEngine sparse(graph, weights, {.plan = all_sparse(graph, images, images)});
        for (const Index n : {1, 3, 17, 40}) {
          const Tensor x = images_of(graph, n);
          ASSERT_LT(largest_difference(logits(sparse, x), logits(dense, x)), allowed)
              << n << " images, " << images << " to a vector";
        }
      }
    });
  }
}

TEST(SparseEngine, StepsWithoutASparseKernelStayDense) {
  const Graph graph = mixed_graph();
  const Weights weights = pruned(graph, 0.3);
  const SparsePlan plan = all_sparse(graph, 1, kernels::instruction_set().lanes);
  ASSERT_EQ(plan.many.stretches.size(), 3U);
  EXPECT_EQ(plan.many.stretches[0], (SparsePlan::Part{"stem", "sum"}));
  EXPECT_EQ(plan.many.stretches[1], (SparsePlan::Part{"wide", "wide"}));
  EXPECT_EQ(plan.many.stretches[2], (SparsePlan::Part{"pool", "flatten"}));
  const Engine dense(graph, weights);
  const SparseEngine sparse(graph, weights, {.plan = plan});
  for (const Index n : {2, 16, 33}) {
    const Tensor x = images_of(graph, n);
    EXPECT_LT(largest_difference(logits(sparse, x), logits(dense, x)), allowed);
  }
}

TEST(SparseEngine, AGivenPlanHasTheSameBitsOnAnyNumberOfThreads) {
  for (const char* name : {"cifarnet", "mlpnet"}) {
    const Graph graph = network(name);
    const Weights weights = pruned(graph, 0.1);
    const SparsePlan plan = all_sparse(graph, 1, kernels::instruction_set().lanes);
    for (const Index n : {1, 2, 40}) {
      const Tensor x = images_of(graph, n);
      set_threads(1);
      const auto one = logits(SparseEngine(graph, weights, {.plan = plan}), x);
      set_threads(2);
      EXPECT_TRUE(same_bits(logits(SparseEngine(graph, weights, {.plan = plan}), x), one))
          << name << " " << n;
    }
  }
}

TEST(SparseEngine, MeasuresOnceAndThenRemembers) {
  const Graph graph = network("mlpnet");
  const Weights weights = pruned(graph, 0.02);
  const SparseEngine first(graph, weights), second(graph, weights);
  EXPECT_EQ(first.plan(), second.plan());
  ASSERT_EQ(first.times().size(), 3U);  // layers: activations are joined, flatten changes nothing
  EXPECT_EQ(first.times()[0].step, "fc1");
  EXPECT_NEAR(first.times()[0].density, 0.02, 0.01);
  EXPECT_GT(first.times()[0].one.dense, 0);
  const Tensor x = images_of(graph, 20);
  EXPECT_TRUE(same_bits(logits(first, x), logits(second, x)));
}

// Batches smaller than a group of images are measured too, in whole groups.
TEST(SparseEngine, MeasuresForBatchesOfAnySize) {
  const Graph graph = mixed_graph();
  const Weights weights = pruned(graph, 0.05);
  const Engine dense(graph, weights);
  const Tensor x = images_of(graph, 9);
  for (const Index batch : {1, 5, 20})
    EXPECT_LT(largest_difference(logits(SparseEngine(graph, weights, {.plan = {}, .batch = batch}), x),
                                 logits(dense, x)),
              allowed);
}

TEST(SparseEngine, PlansAreTextAndBack) {
  const SparsePlan plan{{1, {{"conv1", "flatten"}}, {"fc1", "fc2"}}, {16, {}, {}}, 12};
  EXPECT_EQ(sparse_plan_of(text_of(plan), "plan.json"), plan);
  const auto message = [](const std::string& text) {
    try {
      sparse_plan_of(text, "plan.json");
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::config);
      return std::string(e.what());
    }
    return std::string("no error");
  };
  EXPECT_NE(message("{").find("plan.json: not a sparse plan"), std::string::npos);
  EXPECT_NE(message("{\"few\": {}}").find("images"), std::string::npos);
}

TEST(SparseEngine, PlansOfOtherNetworksAreRefused) {
  const Graph graph = network("mlpnet");
  const Weights weights = pruned(graph, 0.1);
  SparsePlan plan;
  plan.few.linear = {"fc7"};
  EXPECT_THROW(SparseEngine(graph, weights, {.plan = plan}), Error);
  plan = {};
  plan.many.stretches = {{"fc1", "fc2"}};  // linear layers are no stretch
  EXPECT_THROW(SparseEngine(graph, weights, {.plan = plan}), Error);
}

// Where a value is read again later, nothing can change layout.
TEST(SparseEngine, StretchesBeginAndEndWhereOneValueIsAlive) {
  const Engine engine(mixed_graph(), pruned(mixed_graph(), 1));
  std::vector<std::string> names;
  for (const Cut& cut : cuts_of(engine.graph())) names.push_back(engine.graph().value(cut.value).name);
  EXPECT_EQ(names, (std::vector<std::string>{"input", "stem_relu", "sum_relu", "middle", "wide_relu",
                                             "grouped", "pool", "flatten", "fc"}));
}

}  // namespace
}  // namespace espalier::test
