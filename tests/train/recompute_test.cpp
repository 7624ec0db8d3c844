// recompute_test.cpp: activations computed again in the reverse pass give the gradients of those that were kept.
#include "framework/train/recompute.h"

#include <gtest/gtest.h>

#include "framework/core/parallel.h"
#include "framework/graph/builder.h"
#include "framework/train/mean_gradients.h"
#include "tests/support/arrays.h"

namespace espalier::test {
namespace {

using Kind = Activation::Kind;

/// Residual blocks, a branch with pooling, dropout, and every activation that batch norm takes into its pass.
Graph blocks() {
  GraphBuilder net({12, 12, 3});
  const auto conv = [&](const std::string& name, SquareConv s, Kind after) {
    s.bias = false;
    net.add(name, ConvOp(s));
    net.add(name + ".bn", BatchNormOp());
    if (after != Kind::none) net.add(name + ".act", ActivationOp(after));
    return net.last();
  };
  conv("stem", {.out = 8, .kernel = 3, .pad = 1}, Kind::relu);
  net.add("pool", MaxPoolOp(2, 2));
  for (const char* block : {"a", "b", "c"}) {
    const ValueId before = net.last();
    const std::string name = block;
    conv(name + "1", {.out = 16, .kernel = 1}, Kind::clip);
    conv(name + "2", {.out = 16, .kernel = 3, .pad = 1, .groups = 16}, Kind::hard_swish);
    const ValueId body = conv(name + "3", {.out = 8, .kernel = 1}, Kind::none);
    net.add(name + ".sum", AddOp(), {body, before});
    if (name == "b") net.add("b.relu", ActivationOp(Kind::relu));
  }
  DropoutOp dropout;
  dropout.rate = 0.3;
  net.add("dropout", std::move(dropout));
  net.add("mean", GlobalAveragePoolOp());
  net.add("fc", LinearOp({.out = 5, .init = Init::glorot}));
  return net.finish();
}

struct OneStep {
  Model model{blocks(), 5, 3};
  std::vector<Real> gradients, statistics;
  Tensor logits;

  void take(const Tensor& images, std::span<const std::int32_t> labels, bool recompute) {
    Recomputation again(model);
    Pass pass{.training = true, .dropout_key = 7};
    const Var y = recompute ? again.forward(images, pass) : model.forward(images, pass);
    logits = y.value();
    mean_gradients(cross_entropy(y, labels), model.store(), recompute ? &again : nullptr);
    gradients.assign(model.store().gradients().begin(), model.store().gradients().end());
    statistics.assign(model.store().statistics().begin(), model.store().statistics().end());
  }
};

const std::int32_t labels[] = {0, 3, 1, 4, 2, 2};
Tensor images() {
  const auto values = normal_values(6 * 12 * 12 * 3, 1);
  return Tensor::from({6, 12, 12, 3}, values);
}

TEST(Recomputation, GivesTheSameBits) {
  OneStep kept, again;
  kept.take(images(), labels, false);
  again.take(images(), labels, true);
  EXPECT_TRUE(same_bits(again.gradients, kept.gradients));
  EXPECT_TRUE(same_bits(again.statistics, kept.statistics)) << "the second time through must not move them";
  EXPECT_EQ(std::vector<Real>(again.logits.values().begin(), again.logits.values().end()),
            std::vector<Real>(kept.logits.values().begin(), kept.logits.values().end()));
  // A second step, from the same object's point of view: nothing of the first is left.
  again.take(images(), labels, true);
  kept.take(images(), labels, false);
  EXPECT_TRUE(same_bits(again.gradients, kept.gradients));
}

TEST(Recomputation, SameBitsOnOneAndTwoThreads) {
  OneStep one, two;
  set_threads(1);
  one.take(images(), labels, true);
  set_threads(2);
  two.take(images(), labels, true);
  EXPECT_TRUE(same_bits(one.gradients, two.gradients));
}

TEST(Recomputation, CutsWhereOneValueIsAliveAndKeepsLess) {
  const Model model(blocks(), 5, 3);
  const Recomputation again(model);
  Index next = 0;
  for (const Range& stretch : again.stretches()) {
    EXPECT_EQ(stretch.begin, next) << "every step belongs to one stretch";
    EXPECT_TRUE(next == 0 || model.alive_before(next) >= 0) << "step " << next;
    next = stretch.end;
  }
  EXPECT_EQ(next, static_cast<Index>(model.running().steps.size()));
  EXPECT_GT(again.stretches().size(), 1U);
  EXPECT_LT(again.kept_values(), model.recorded_values(true) * 2 / 3);
}

// What no gradient rule reads is not kept: what batch norm made for a sum or a maximum.
TEST(Model, LetsGoOfWhatNoGradientRuleReads) {
  const Model model(blocks(), 5, 3);
  const Graph& g = model.running();
  for (const Step& step : g.steps) {
    const std::string& name = step.name;
    EXPECT_EQ(model.is_kept(step.output, true), !name.ends_with("3.bn") && name != "stem.bn") << name;
  }
}

TEST(Recomputation, NamesTheLayerThatDiverged) {
  Model model(blocks(), 5, 3);
  for (const ParameterInfo& p : model.store().infos())
    if (p.name == "b1.weight") model.store().values()[p.range.begin] = std::numeric_limits<Real>::quiet_NaN();
  Recomputation again(model);
  Pass pass{.training = true};
  again.forward(images(), pass);
  EXPECT_NE(again.first_non_finite().find("b1.weight"), std::string::npos) << again.first_non_finite();
}

}  // namespace
}  // namespace espalier::test
