// Transfer: frozen parameters stay, their batch norms rest, and others have learning rates of their own.
#include "framework/train/rates.h"

#include <gtest/gtest.h>

#include "framework/autograd/backward.h"
#include "framework/ops/ops.h"
#include "framework/train/mean_gradients.h"
#include "framework/train/trainer.h"
#include "tests/support/expect_error.h"
#include "tests/support/small_network.h"

namespace espalier {
namespace {

using testing::expect_error;

struct Rates : ::testing::Test {
  SmallNetwork small;
  TrainSettings settings;
  Model& model() { return *small.model; }
  double rate(const std::string& name) {
    for (const ParameterInfo& p : model().store().infos())
      if (p.name == name) return p.rate;
    ADD_FAILURE() << name;
    return -1;
  }
};

TEST_F(Rates, PatternsFitParametersOrLayersAndFreezingWins) {
  settings.learning_rates = {{"*", 0.1}, {"fc2", 10}};
  settings.freeze = {"conv*", "fc.bias"};
  const std::vector<std::string> said = apply_rates(settings, model());
  EXPECT_EQ(rate("conv.weight"), 0);
  EXPECT_EQ(rate("conv2.bias"), 0);
  EXPECT_EQ(rate("fc.bias"), 0);
  EXPECT_EQ(rate("fc.weight"), 0.1);
  EXPECT_EQ(rate("fc2.weight"), 10) << "the last that fits counts";
  ASSERT_EQ(said.size(), 1U);
  for (const char* part : {"5 of", "are frozen", "conv.weight", "fc.bias"})
    EXPECT_NE(said[0].find(part), std::string::npos) << said[0];
  settings.freeze = {};
  EXPECT_TRUE(apply_rates(settings, model()).empty());
  EXPECT_EQ(rate("conv.weight"), 0.1) << "what is not asked for any more is undone";
}

TEST_F(Rates, WhatFitsNothingOrLeavesNothingIsAnError) {
  settings.freeze = {"conv3"};
  expect_error(ExitCode::config, {"train.freeze", "\"conv3\"", "did you mean"},
               [&] { apply_rates(settings, model()); });
  settings.freeze = {};
  settings.learning_rates = {{"head.*", 2}};
  expect_error(ExitCode::config, {"train.learning_rates.0.parameters", "\"head.*\""},
               [&] { apply_rates(settings, model()); });
  settings.learning_rates = {};
  settings.freeze = {"*"};
  expect_error(ExitCode::config, {"train.freeze names all", "nothing is left"},
               [&] { apply_rates(settings, model()); });
}

TEST_F(Rates, FrozenBatchNormUsesItsStatisticsInTrainingAndKeepsThem) {
  ParameterStore& store = model().store();
  Tensor x = Tensor::uninitialized({8, 12, 12, 2});
  Random random(1, Random::Use::test);
  for (Real& v : x.values()) v = static_cast<Real>(2 + random.normal());
  Pass training{.training = true}, evaluation;
  const auto same = [](const Tensor& a, const Tensor& b) {
    return std::equal(a.values().begin(), a.values().end(), b.values().begin());
  };
  EXPECT_FALSE(same(model().forward(x, training).value(), model().forward(x, evaluation).value()));
  settings.freeze = {"conv", "*norm*"};
  for (const ParameterInfo& p : store.infos())
    if (p.role == Role::norm_scale) settings.freeze[1] = p.layer();
  apply_rates(settings, model());
  const std::vector<Real> before(store.statistics().begin(), store.statistics().end());
  EXPECT_TRUE(same(model().forward(x, training).value(), model().forward(x, evaluation).value()));
  EXPECT_TRUE(std::equal(before.begin(), before.end(), store.statistics().begin()));
}

TEST_F(Rates, FrozenParametersHaveNoGradientsAndTheOthersTheSameAsBefore) {
  // Without batch norm in training mode freezing changes no other gradient.
  ParameterStore& store = model().store();
  for (const ParameterInfo& p : store.infos())
    if (p.role == Role::norm_scale) settings.freeze = {p.layer()};
  const auto gradients = [&] {
    apply_rates(settings, model());
    Pass training{.training = true};
    const Tensor x = Tensor::full({4, 12, 12, 2}, Real(0.5));
    const std::vector<std::int32_t> labels{0, 1, 2, 0};
    mean_gradients(cross_entropy(model().forward(x, training), labels), store);
    return std::vector<Real>(store.gradients().begin(), store.gradients().end());
  };
  const std::vector<Real> all = gradients();
  settings.freeze.push_back("conv");
  settings.freeze.push_back("fc");
  const std::vector<Real> some = gradients();
  for (const ParameterInfo& p : store.infos())
    for (Index i = p.range.begin; i < p.range.end; ++i)
      EXPECT_EQ(some[i], p.rate == 0 ? Real(0) : all[i]) << p.name;
}

}  // namespace
}  // namespace espalier
