// The planner composes what other tests check alone: one stage is criterion, selection and update; several
// stages are the same quadratic model seen from where the last one led; FLOP targets are met; "damp": "auto"
// takes what the held-out examples like best, and trials leave the network as it was.
#include "pruning/step/planner.h"

#include <gtest/gtest.h>

#include <cmath>

#include "pruning/step/auto_damp.h"
#include "tests/support/small_network.h"

namespace espalier {
namespace {

PruneConfig config(const std::string& json) {
  PruneConfig c;
  read_config(JsonDocument::parse(json, "test"), c);
  return c;
}

struct PlannerTest : testing::Test {
  DenseRows rows{8, 40, random_values(320, 1)};
  std::vector<double> w = random_values(40, 2), g = random_values(40, 3, 0.1);
  std::vector<LayerView> layers{{.name = "a", .columns = {0, 24}, .shape = {3, 8}, .macs_per_weight = 64},
                                {.name = "b", .columns = {24, 40}, .shape = {2, 8}, .macs_per_weight = 1}};
  std::vector<bool> none = std::vector<bool>(40, false);
  PruneProblem problem{.w = w, .rows = &rows, .g = g, .layers = layers, .pruned = none, .held_out = {}};
};

TEST_F(PlannerTest, OneStageIsScoreSelectAndCompensate) {
  const PruneConfig c = config(R"({"criterion": "woodtaylor", "inverse": "full", "step_damp": 0.5})");
  const Plan plan = Planner(c, problem, 0.01).plan(0.5);
  const std::vector<Range> columns{{0, 24}, {24, 40}};
  const auto inverse = c.inverse->build(rows, columns, 0.01);
  const UpdateSettings settings{
      .inverse = c.inverse.settings.get(), .layers = columns, .damp = 0.01, .step_damp = 0.5};
  const std::vector<double> h = gradient_step(rows, g, settings, {}, rows);
  const PruneState state{.w = w, .g = g, .rows = &rows, .inverse = inverse.get(), .step = h};
  std::vector<double> scores(40);
  c.criterion->score(state, scores);
  const std::vector<std::string> names{"a", "b"};
  const auto removed = select(scores, none, 0.5, columns, names, {});
  EXPECT_EQ(plan.removed, removed);
  EXPECT_EQ(plan.delta, compensate(state, removed, UpdateMode::simultaneous, settings));
  EXPECT_DOUBLE_EQ(plan.prediction.change(), predict(rows, g, plan.delta, 0.01).change());
  ASSERT_EQ(plan.by_layer.size(), 2U);
  EXPECT_DOUBLE_EQ(plan.by_layer[0].linear + plan.by_layer[1].linear, plan.prediction.linear)
      << "first order adds up over layers; second order does not";
}

TEST_F(PlannerTest, TwoStagesAreTwoStepsOnTheSameModel) {
  const PruneConfig once =
      config(R"({"criterion": "woodtaylor", "inverse": "full", "update": "joint", "step_damp": 1})");
  const PruneConfig twice = config(
      R"({"criterion": "woodtaylor", "inverse": "full", "update": "joint", "step_damp": 1, "num_stages": 2, "recomputation_levels": "geometric"})");
  const Plan both = Planner(twice, problem, 0.01).plan(0.75);
  const Plan first = Planner(once, problem, 0.01).plan(0.5);  // 1 - sqrt(1/4)
  // From there: weights moved, gradient g + F delta, what left has no columns.
  std::vector<double> w2(40), g2 = g, projected(8), moved(40);
  multiply_rows(rows, {0, 40}, first.delta, projected);
  multiply_columns(rows, {0, 40}, projected, moved);
  for (std::size_t q = 0; q < 40; ++q) {
    w2[q] = first.removed[q] ? 0 : w[q] + first.delta[q];
    g2[q] = first.removed[q] ? 0 : g2[q] + moved[q] / 8;
  }
  const MaskedRows left(rows, first.removed);
  const PruneProblem second{
      .w = w2, .rows = &left, .g = g2, .layers = layers, .pruned = first.removed, .held_out = {}};
  const Plan then = Planner(once, second, 0.01).plan(0.75);
  EXPECT_EQ(both.removed, then.removed);
  for (std::size_t q = 0; q < 40; ++q)
    EXPECT_NEAR(w[q] + both.delta[q], then.removed[q] ? 0 : w2[q] + then.delta[q], 1e-9) << q;
}

TEST_F(PlannerTest, AFlopTargetIsMet) {
  for (const double target : {0.55, 0.65, 0.8}) {
    PruneConfig c =
        config(R"({"inverse": "layer", "schedule": {"type": "one_shot", "final_sparsity": 0.5}})");
    c.flops_target = target;
    const Plan plan = Planner(c, problem, 0.01).plan(0.5);
    EXPECT_EQ(std::count(plan.removed.begin(), plan.removed.end(), true), 20);
    const auto in_a = std::count(plan.removed.begin(), plan.removed.begin() + 24, true);
    const double share = (64.0 * static_cast<double>(in_a) + 20 - static_cast<double>(in_a)) / (64 * 24 + 16);
    EXPECT_GE(share, target);
    EXPECT_LT(share, target + 2 * 64.0 / (64 * 24 + 16)) << "and not by more than needed";
  }
  PruneConfig c = config(R"({"inverse": "layer", "schedule": {"type": "one_shot", "final_sparsity": 0.2}})");
  c.flops_target = 0.9;
  EXPECT_THROW(Planner(c, problem, 0.01).plan(0.2), Error) << "8 weights can't be 90 % of the multiply-adds";
}

TEST_F(PlannerTest, GroupsSearchesAndUpdatesCompose) {
  for (
      const char* json :
      {R"({"group": "n_of_m", "update": "joint", "inverse": "layer"})",
       R"({"group": {"type": "block", "size": 4}, "inverse": "full"})",
       R"({"group": "filter", "criterion": "woodtaylor", "inverse": "full"})",
       R"({"search": "swaps", "update": "joint", "inverse": "full"})",
       R"({"search": "iht", "update": "simultaneous", "inverse": "layer", "criterion": "magnitude"})",
       R"({"criterion": "greedy", "update": "joint", "inverse": {"type": "block", "fisher_block_size": 12}})",
       R"({"criterion": "diagonal_fisher", "group": "channel"})",
       R"({"num_stages": 4, "search": "swaps", "inverse": "full", "update": "joint"})"}) {
    SCOPED_TRACE(json);
    const Plan plan = Planner(config(json), problem, 0.01).plan(0.5);
    const auto count = std::count(plan.removed.begin(), plan.removed.end(), true);
    EXPECT_NEAR(static_cast<double>(count), 20, 4);
    for (std::size_t q = 0; q < 40; ++q) EXPECT_TRUE(!plan.removed[q] || w[q] + plan.delta[q] == 0) << q;
  }
}

TEST(Trial, MeasuresAndLeavesNoTrace) {
  SmallNetwork net;
  Trial trial(*net.model, net.layers, net.data.train, net.preprocessing, net.examples(50));
  const std::vector<Real> before(net.model->store().values().begin(), net.model->store().values().end());
  const std::vector<double> w = gather(net.model->store().values(), net.model->store(), net.layers);
  const double loss = trial.loss();
  std::vector<double> zero(w.size());
  for (std::size_t q = 0; q < w.size(); ++q) zero[q] = -w[q];
  EXPECT_NEAR(trial.loss(zero), std::log(3.0), 0.2)
      << "without weights all classes are alike, but for biases";
  EXPECT_EQ(trial.loss(), loss);
  EXPECT_EQ(trial.loss_of_part(zero, {0, 0}), loss);
  EXPECT_NE(trial.loss_of_part(zero, {0, 10}), loss);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), net.model->store().values().begin()));
}

TEST(AutoDamp, TakesWhatHeldOutExamplesLikeBest) {
  SmallNetwork net;
  const Gradients G(*net.model, net.layers, net.data.train, net.preprocessing, net.examples(60),
                    {.rows = 60});
  const std::vector<double> w = gather(net.model->store().values(), net.model->store(), net.layers);
  const std::vector<LayerView> views = layer_views(*net.model, net.layers);
  const std::vector<bool> none(w.size(), false);
  const PruneProblem problem{
      .w = w, .rows = &G, .g = G.mean(), .layers = views, .pruned = none, .held_out = {}};
  std::vector<Index> others;
  for (Index i = 1; i < 200; i += 2) others.push_back(i);
  Trial held_out(*net.model, net.layers, net.data.train, net.preprocessing, others);
  const PruneConfig c = config(R"({"damp": "auto", "inverse": "layer"})");
  EXPECT_FALSE(c.damp.has_value());
  const DampChoice choice = choose_damp(c, problem, 0.6, held_out);
  ASSERT_GE(choice.trials.size(), 3U);
  double least = 1e300, chosen = 0;
  const double before = held_out.loss();
  for (const DampTrial& t : choice.trials) {
    least = std::min(least, before + t.measured);
    if (t.damp == choice.damp) chosen = before + t.measured;
    // The trial is the plan that this dampening makes,
    // from Cholesky factors as well as from the decomposition.
    const Plan plan = Planner(c, problem, t.damp).plan(0.6);
    EXPECT_NEAR(held_out.loss(plan.delta) - before, t.measured, 0.02 + 0.05 * std::abs(t.measured)) << t.damp;
  }
  EXPECT_LE(chosen, least / 0.99 + 1e-12);
  EXPECT_NE(choice.reason.find("held-out"), std::string::npos);
}

}  // namespace
}  // namespace espalier
