// What layers promise beyond their ops: one flat array, modes that travel in Pass,
// running statistics, merged ReLU.
#include "framework/nn/layers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "framework/nn/init.h"
#include "framework/nn/model.h"
#include "tests/support/expect_error.h"

namespace espalier {
namespace {

Tensor random_tensor(const Shape& shape, std::uint64_t seed) {
  Tensor t = Tensor::uninitialized(shape);
  Random random(seed, Random::Use::test);
  for (Real& v : t.values()) v = static_cast<Real>(random.normal());
  return t;
}

TEST(ParameterStore, ParametersAreViewsOfOneFlatArray) {
  ParameterStore store;
  const ParameterId a = store.declare("a", {2, 3}, Role::weight, constant(1));
  const ParameterId b = store.declare("b", {4}, Role::bias, constant(2));
  store.allocate(1);
  EXPECT_EQ(store.size(), 10);
  store.values()[7] = 5;
  EXPECT_EQ(store.var(b).value().data()[1], Real(5));
  EXPECT_EQ(store.var(a).value().data()[5], Real(1));
  EXPECT_EQ(store.var(a).node()->parameter, a);
}
TEST(ParameterStore, NamesAreUniqueAndMasksZeroEvenNonFiniteWeights) {
  ParameterStore store;
  store.declare("a", {2}, Role::weight, constant(1));
  espalier::testing::expect_error(ExitCode::config, {"two layers", "'a'", "name"},
                                  [&] { store.declare("a", {2}, Role::weight, constant(1)); });
  store.allocate(1);
  store.values()[0] = std::numeric_limits<Real>::infinity();
  store.mask()[0] = 0;
  store.apply_mask();
  EXPECT_EQ(store.values()[0], Real(0));
}

TEST(BatchNorm, RunningStatisticsFollowTheBatchWithTheUnbiasedVariance) {
  ParameterStore store;
  const BatchNorm layer({store, "bn"}, 2);
  store.allocate(1);
  const Tensor x = Tensor::from({4, 1, 1, 2}, std::vector<Real>{1, 0, 2, 0, 3, 0, 6, 0});
  Pass pass{.training = true, .statistics_momentum = 0.1};
  layer.forward(Var(x), pass);
  // Channel 0: mean 3, squared deviations 4 + 1 + 0 + 9 = 14, unbiased variance 14 / 3.
  EXPECT_NEAR(store.statistics()[0], 0.1 * 3, 1e-6);
  EXPECT_NEAR(store.statistics()[2], 0.9 * 1 + 0.1 * 14.0 / 3, 1e-6);
  EXPECT_NEAR(store.statistics()[3], 0.9, 1e-6);
  const std::vector<Real> before(store.statistics().begin(), store.statistics().end());
  Pass evaluation;
  layer.forward(Var(x), evaluation);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), store.statistics().begin()))
      << "evaluation changes nothing";
}

// In evaluation without a graph the map of a batch norm goes into the convolution before it.
TEST(BatchNorm, FoldedIntoAConvolutionIsTheSameFunction) {
  for (const bool bias : {false, true})
    for (const bool with_relu : {false, true}) {
      ParameterStore store;
      Sequential net;
      net.add<Conv2d>(Scope{store, "conv"},
                      Conv2dOptions{.in = 3, .out = 5, .kernel = 3, .pad = 1, .bias = bias});
      net.add<BatchNorm>(Scope{store, "bn"}, 5);
      if (with_relu) net.add<Relu>();
      store.allocate(1);
      Random random(2, Random::Use::test);
      for (Real& v : store.values()) v = static_cast<Real>(random.normal());
      for (Real& v : store.statistics()) v = static_cast<Real>(random.uniform(0.5, 2));
      Tensor x = Tensor::uninitialized({2, 6, 5, 3});
      for (Real& v : x.values()) v = static_cast<Real>(random.normal());
      Pass pass;
      const Tensor with_graph = net.forward(Var(x), pass).value();
      const Recording off(false);
      const Tensor folded = net.forward(Var(x), pass).value();
      for (Index k = 0; k < folded.size(); ++k)
        ASSERT_NEAR(folded.data()[k], with_graph.data()[k], sizeof(Real) == 8 ? 1e-12 : 1e-4) << k;
    }
}

TEST(Dropout, OnlyInTrainingAndByKey) {
  const Dropout layer(0.5, 1);
  const Tensor x = Tensor::full({8, 50}, 1);
  Pass evaluation, one{.training = true, .dropout_key = 1}, two{.training = true, .dropout_key = 2};
  const auto run = [&](Pass& pass) {
    const Tensor y = layer.forward(Var(x), pass).value();
    return std::vector<Real>(y.values().begin(), y.values().end());
  };
  EXPECT_EQ(run(evaluation), std::vector<Real>(400, 1));
  EXPECT_EQ(run(one), run(one));
  EXPECT_NE(run(one), run(two));
}

// Weights kept in the kernels' order give the same bits, and are those of the first pass: the reason why a
// new PackedWeights must follow any change.
TEST(Linear, PackedWeightsAreThoseOfTheFirstPass) {
  for (const bool bias : {false, true}) {
    ParameterStore store;
    const Linear layer({store, "fc"}, {.in = 37, .out = 20, .bias = bias});
    store.allocate(1);
    const Tensor x = random_tensor({9, 37}, 2);
    PackedWeights packed;
    Pass plain, keeping{.packed = &packed};
    const auto run = [&](Pass& pass) {
      const Tensor y = layer.forward(Var(x), pass).value();
      return std::vector<Real>(y.values().begin(), y.values().end());
    };
    const std::vector<Real> with_graph = run(keeping);
    const Recording off(false);
    const std::vector<Real> first = run(keeping);
    EXPECT_EQ(first, run(plain));
    EXPECT_EQ(first, with_graph);
    for (Real& v : store.values()) v *= 2;
    EXPECT_EQ(run(keeping), first);
    EXPECT_NE(run(plain), first);
    const Recording on(true);
    EXPECT_EQ(run(keeping), run(plain)) << "a pass that is recorded never uses them";
  }
}

TEST(Sequential, AMergedReluIsTheSameFunction) {
  ParameterStore fused_store, plain_store;
  Sequential fused, plain;
  const Conv2dOptions options{.in = 3, .out = 5, .kernel = 3, .pad = 1};
  fused.add<Conv2d>(Scope{fused_store, "c"}, options).add<Relu>();
  const Conv2d conv({plain_store, "c"}, options);
  fused_store.allocate(4);
  plain_store.allocate(4);
  const Tensor x = random_tensor({2, 6, 6, 3}, 5);
  Pass pass;
  const Tensor a = fused.forward(Var(x), pass).value(), b = relu(conv.forward(Var(x), pass)).value();
  for (Index i = 0; i < a.size(); ++i) EXPECT_EQ(a.data()[i], b.data()[i]);
}

}  // namespace
}  // namespace espalier
