// Optimizers against their formulas, written out for single weights;
// and the promise that masked weights stay zero.
#include "framework/train/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "framework/config/reader.h"
#include "framework/graph/init.h"

namespace espalier {
namespace {

struct Holder {
  Variant<OptimizerSettings> optimizer;
  void fields(Fields& f) { f.required().variant("optimizer", optimizer, "optimizer"); }
};

struct OptimizerTest : testing::Test {
  OptimizerTest() {
    store.declare("w", {2, 2}, Role::weight, constant(1));
    store.declare("b", {2}, Role::bias, constant(1));
    store.allocate(1);
  }
  std::unique_ptr<Optimizer> make(const std::string& settings) {
    read_config(JsonDocument::parse("{\"optimizer\": " + settings + "}", "test"), holder);
    return holder.optimizer->make(store);
  }
  void set_gradients(Real value) { std::fill(store.gradients().begin(), store.gradients().end(), value); }
  Holder holder;
  ParameterStore store;
};

TEST_F(OptimizerTest, SgdFollowsMomentumAndDecaysWeightsOnly) {
  const auto sgd = make(R"({"type": "sgd", "momentum": 0.5, "weight_decay": 0.1})");
  double w = 1, v = 0, b = 1, u = 0;
  for (int step = 0; step < 3; ++step) {
    set_gradients(2);
    sgd->step(store, 0.25, true);
    v = 0.5 * v + (2 + 0.1 * w);
    w -= 0.25 * v;
    u = 0.5 * u + 2;
    b -= 0.25 * u;
    EXPECT_NEAR(store.values()[0], w, 1e-6) << "step " << step;
    EXPECT_NEAR(store.values()[4], b, 1e-6) << "step " << step;
  }
}
TEST_F(OptimizerTest, NesterovLooksAhead) {
  const auto sgd = make(R"({"type": "sgd", "momentum": 0.5, "nesterov": true, "weight_decay": 0})");
  set_gradients(1);
  sgd->step(store, 0.1, true);
  EXPECT_NEAR(store.values()[0], 1 - 0.1 * (1 + 0.5 * 1),
              1e-6);  // g + momentum v, with v = g at the first step
}
TEST_F(OptimizerTest, AParameterMayHaveARateOfItsOwnOrNone) {
  for (const char* kind : {R"({"type": "sgd", "momentum": 0, "weight_decay": 0.1})",
                           R"({"type": "adam", "weight_decay": 0.1})"}) {
    std::fill(store.values().begin(), store.values().end(), Real(1));
    store.set_rate(0, 0);
    store.set_rate(1, 1);
    make(kind)->step((set_gradients(2), store), 0.01, true);
    EXPECT_EQ(store.values()[0], Real(1)) << "frozen: no step, and no decay";
    const double whole = 1 - static_cast<double>(store.values()[4]);
    EXPECT_GT(whole, 0.005);
    store.values()[4] = 1;
    store.set_rate(1, 0.5);
    make(kind)->step((set_gradients(2), store), 0.01, true);
    EXPECT_NEAR(1 - static_cast<double>(store.values()[4]), whole / 2, 1e-6);
  }
}
TEST_F(OptimizerTest, AdamWDecaysBesideItsStepAndNotThroughTheGradient) {
  const auto adamw = make(R"({"type": "adamw", "weight_decay": 0.5, "epsilon": 1e-12})");
  set_gradients(8);
  adamw->step(store, 0.1, true);
  // The first step of Adam is rate * sign(g), whatever the gradient's size; the decay is 0.1 * 0.5 of the weight.
  EXPECT_NEAR(store.values()[0], 1 * (1 - 0.1 * 0.5) - 0.1, 1e-6);
  EXPECT_NEAR(store.values()[4], 1 - 0.1, 1e-6) << "biases do not decay";
}
TEST_F(OptimizerTest, DecayCanBeSwitchedOff) {
  const auto sgd = make(R"({"type": "sgd", "momentum": 0, "weight_decay": 0.5})");
  set_gradients(0);
  sgd->step(store, 1, false);
  EXPECT_EQ(store.values()[0], Real(1));
  sgd->step(store, 1, true);
  EXPECT_EQ(store.values()[0], Real(0.5));
}
TEST_F(OptimizerTest, AdamTakesStepsOfTheLearningRateAtConstantGradients) {
  const auto adam = make(R"({"type": "adam"})");
  for (int step = 1; step <= 3; ++step) {
    set_gradients(5);
    adam->step(store, 0.01, true);
    EXPECT_NEAR(store.values()[0], 1 - 0.01 * step, 1e-6);  // m / sqrt(v) = 1 after bias correction
  }
}
TEST_F(OptimizerTest, MaskedWeightsAndTheirStateStayExactlyZero) {
  for (const char* settings : {R"({"type": "sgd"})", R"({"type": "adam"})"}) {
    const auto optimizer = make(settings);
    set_gradients(3);
    optimizer->step(store, 0.1, true);
    store.mask()[1] = 0;
    store.apply_mask();
    for (int step = 0; step < 3; ++step) {
      set_gradients(3);
      optimizer->step(store, 0.1, true);
      EXPECT_EQ(store.values()[1], Real(0)) << settings;
      for (const auto& [name, values] : optimizer->state())
        EXPECT_EQ(values[1], Real(0)) << settings << " " << name;
      EXPECT_NE(store.values()[0], Real(0));
    }
    store.mask()[1] = 1;
  }
}

}  // namespace
}  // namespace espalier
