// What a network promises beyond its ops: one flat array, modes that travel in Pass, running statistics, a
// ReLU that joins the step before it without a trace.
#include "framework/nn/model.h"

#include <gtest/gtest.h>

#include <limits>

#include "framework/graph/builder.h"
#include "framework/graph/init.h"
#include "framework/graph/passes.h"
#include "tests/support/curvature.h"
#include "tests/support/expect_error.h"

namespace espalier::test {
namespace {

using Kind = Activation::Kind;

std::vector<Real> values_of(const Tensor& t) { return {t.values().begin(), t.values().end()}; }

TEST(ParameterStore, ParametersAreViewsOfOneFlatArray) {
  ParameterStore store;
  const ParameterId a = store.declare("a", {2, 3}, Role::weight, espalier::constant(1));
  const ParameterId b = store.declare("b", {4}, Role::bias, espalier::constant(2));
  store.allocate(1);
  EXPECT_EQ(store.size(), 10);
  store.values()[7] = 5;
  EXPECT_EQ(store.var(b).value().data()[1], Real(5));
  EXPECT_EQ(store.var(a).value().data()[5], Real(1));
  EXPECT_EQ(store.var(a).node()->parameter, a);
}
TEST(ParameterStore, NamesAreUniqueAndMasksZeroEvenNonFiniteWeights) {
  ParameterStore store;
  store.declare("a", {2}, Role::weight, espalier::constant(1));
  espalier::testing::expect_error(ExitCode::config, {"two layers", "'a'", "name"},
                                  [&] { store.declare("a", {2}, Role::weight, espalier::constant(1)); });
  store.allocate(1);
  store.values()[0] = std::numeric_limits<Real>::infinity();
  store.mask()[0] = 0;
  store.apply_mask();
  EXPECT_EQ(store.values()[0], Real(0));
}

/// One step on its own with its parameters and statistics.
struct Alone {
  std::shared_ptr<const Op> op;
  std::vector<Var> parameters;
  std::vector<Tensor> statistics;
  Alone(std::shared_ptr<const Op> what, const Shape& in) : op(std::move(what)) {
    for (const ParameterSpec& p : op->parameters({&in, 1})) {
      Tensor t = Tensor::uninitialized(p.shape);
      Random random(1, Random::Use::test);
      p.init(t.values(), random);
      parameters.push_back(Var::parameter(t, static_cast<ParameterId>(parameters.size())));
    }
    for (const StatisticSpec& s : op->statistics({&in, 1}))
      statistics.push_back(Tensor::full({s.size}, s.initial));
  }
  Tensor operator()(const Tensor& x, Pass pass, const std::string& name = "step") const {
    const Var in(x);
    return op->apply({&in, 1}, {name, parameters, statistics}, pass).value();
  }
};

TEST(BatchNorm, RunningStatisticsFollowTheBatchWithTheUnbiasedVariance) {
  const Alone norm(std::make_shared<BatchNormOp>(), {1, 1, 2});
  const Tensor x = Tensor::from({4, 1, 1, 2}, std::vector<Real>{1, 0, 2, 0, 3, 0, 6, 0});
  norm(x, {.training = true, .statistics_momentum = 0.1});
  // Channel 0: mean 3, squared deviations 4 + 1 + 0 + 9 = 14, unbiased variance 14 / 3.
  EXPECT_NEAR(norm.statistics[0].data()[0], 0.1 * 3, 1e-6);
  EXPECT_NEAR(norm.statistics[1].data()[0], 0.9 * 1 + 0.1 * 14.0 / 3, 1e-6);
  EXPECT_NEAR(norm.statistics[1].data()[1], 0.9, 1e-6);
  const std::vector<Real> before = values_of(norm.statistics[0]);
  norm(x, {});
  EXPECT_EQ(values_of(norm.statistics[0]), before) << "evaluation changes nothing";
}

TEST(Dropout, OnlyInTrainingAndByKeyAndName) {
  const Alone dropout(std::make_shared<DropoutOp>(), {50});
  const Tensor x = Tensor::full({8, 50}, 1);
  const auto run = [&](bool training, std::uint64_t key, const char* name = "a") {
    return values_of(dropout(x, {.training = training, .dropout_key = key}, name));
  };
  EXPECT_EQ(run(false, 1), std::vector<Real>(400, 1));
  EXPECT_EQ(run(true, 1), run(true, 1));
  EXPECT_NE(run(true, 1), run(true, 2));
  EXPECT_NE(run(true, 1, "a"), run(true, 1, "b")) << "two dropouts of a network have masks of their own";
  EXPECT_EQ(key_of("fc.dropout"), 0x5abd1585a6eb9507ULL) << "the same key on every machine, for ever";
}

TEST(Model, AJoinedReluLeavesNoTrace) {
  // Joined in the model that trains, a step of its own when applied by hand.
  for (const auto& op :
       {std::shared_ptr<const Op>(new ConvOp({.out = 5, .kernel = 3, .pad = 1})),
        std::shared_ptr<const Op>(new MaxPoolOp(2, 2)), std::shared_ptr<const Op>(new BatchNormOp())}) {
    GraphBuilder net({6, 6, 3});
    net.add("a", op, {0});
    net.add("relu", ActivationOp(Kind::relu));
    net.add("flatten", FlattenOp());
    const auto classes = static_cast<int>(net.shape(net.last()).size());
    const Model model(net.finish(), classes, 4);
    EXPECT_EQ(join_activations(model.graph()).steps.size(), 2u) << op->type();
    const Alone alone(op, {6, 6, 3});
    for (std::size_t p = 0; p < alone.parameters.size(); ++p) {
      const Tensor& from = model.store().var(static_cast<int>(p)).value();
      std::copy_n(from.data(), from.size(), const_cast<Real*>(alone.parameters[p].value().data()));
    }
    const Tensor x = Tensor::from({2, 6, 6, 3}, normal_values(216, 5));
    Pass pass;
    EXPECT_EQ(values_of(model.forward(x, pass).value()), values_of(flatten(relu(Var(alone(x, {})))).value()));
  }
}

TEST(Model, ItsOutputHasOneValuePerClass) {
  GraphBuilder net({2, 2, 1});
  net.add("flatten", FlattenOp());
  espalier::testing::expect_error(ExitCode::config, {"'flatten'", "{4}", "3 classes need {3}"},
                                  [&] { Model(net.finish(), 3, 1); });
}

TEST(Model, ASharedValueCollectsGradientsOfAllItsReaders) {
  // sum over outputs of x w + 2 (x w): the gradient is three times that of x w.
  const auto gradient = [](int readers) {
    GraphBuilder net({1, 1, 4});
    net.add("flatten", FlattenOp());
    const ValueId y = net.add("fc", LinearOp({.out = 3, .bias = false}));
    if (readers > 1) net.add("sum", AddOp(), std::vector<ValueId>(static_cast<std::size_t>(readers), y));
    const Model model(net.finish(), 3, 1);
    Pass pass;
    const Var logits = model.forward(Tensor::from({2, 1, 1, 4}, normal_values(8, 1)), pass);
    const Var w[] = {model.store().var(0)};
    return grad(logits, w)[0].value();
  };
  const Tensor one = gradient(1), three = gradient(3);
  for (Index i = 0; i < one.size(); ++i) EXPECT_NEAR(three.data()[i], 3 * one.data()[i], 1e-5);
}

}  // namespace
}  // namespace espalier::test
