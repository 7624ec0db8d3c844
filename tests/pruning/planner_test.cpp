// The planner composes what other tests check alone: one stage is criterion, selection and update; several
// stages are the same quadratic model seen from where the last one led; FLOP targets are met; "damp": "auto"
// takes what the held-out examples like best, and trials leave the network as it was.
#include "pruning/step/planner.h"

#include <gtest/gtest.h>

#include <cmath>

#include "pruning/step/auto_damp.h"
#include "pruning/step/site.h"
#include "tests/support/small_network.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

PruneConfig config(const std::string& json) {
  PruneConfig c;
  read_config(JsonDocument::parse(json, "test"), c);
  return c;
}

struct PlannerTest : ::testing::Test {
  DenseRows rows{8, 40, random_values(320, 1)};
  std::vector<double> w = random_values(40, 2), g = random_values(40, 3, 0.1);
  std::vector<LayerView> layers{{.name = "a", .columns = {0, 24}, .shape = {3, 8}, .macs_per_weight = 64},
                                {.name = "b", .columns = {24, 40}, .shape = {2, 8}, .macs_per_weight = 1}};
  std::vector<bool> none = std::vector<bool>(40, false);
  QuadraticModel data{.w = w, .g = g, .rows = &rows, .layers = columns_of(layers), .pruned = none};
};

TEST_F(PlannerTest, OneStageIsScoreSelectAndCompensate) {
  const PruneConfig c = config(R"({"criterion": "woodtaylor", "inverse": "full", "step_damp": 0.5})");
  const Plan plan = Planner(c, data, layers, 0.01).plan(0.5);
  QuadraticModel model = data;
  model.damp = 0.01;
  model.kind = c.inverse.settings.get();
  model.step_damp = 0.5;
  model.h = gradient_step(model);
  const std::vector<bool> removed = select(saliency_of("woodtaylor", model), none, 0.5, layers, {});
  EXPECT_EQ(plan.removed, removed);
  EXPECT_EQ(plan.delta, compensate(model, {removed}, UpdateMode::simultaneous));
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
  const Plan both = Planner(twice, data, layers, 0.01).plan(0.75);
  const Plan first = Planner(once, data, layers, 0.01).plan(0.5);  // 1 - sqrt(1/4)
  // From there: weights moved, gradient g + F delta, what left has no columns.
  std::vector<double> w2(40), g2 = g, projected(8), moved(40);
  multiply_rows(rows, {0, 40}, first.delta, projected);
  multiply_columns(rows, {0, 40}, projected, moved);
  for (std::size_t q = 0; q < 40; ++q) {
    w2[q] = first.removed[q] ? 0 : w[q] + first.delta[q];
    g2[q] = first.removed[q] ? 0 : g2[q] + moved[q] / 8;
  }
  const MaskedRows left(rows, first.removed);
  const QuadraticModel second{
      .w = w2, .g = g2, .rows = &left, .layers = columns_of(layers), .pruned = first.removed};
  const Plan then = Planner(once, second, layers, 0.01).plan(0.75);
  EXPECT_EQ(both.removed, then.removed);
  for (std::size_t q = 0; q < 40; ++q)
    EXPECT_NEAR(w[q] + both.delta[q], then.removed[q] ? 0 : w2[q] + then.delta[q], 1e-9) << q;
}

TEST_F(PlannerTest, AFlopTargetIsMet) {
  for (const double target : {0.55, 0.65, 0.8}) {
    PruneConfig c =
        config(R"({"inverse": "layer", "schedule": {"type": "one_shot", "final_sparsity": 0.5}})");
    c.flops_target = target;
    const Plan plan = Planner(c, data, layers, 0.01).plan(0.5);
    EXPECT_EQ(std::count(plan.removed.begin(), plan.removed.end(), true), 20);
    const auto in_a = std::count(plan.removed.begin(), plan.removed.begin() + 24, true);
    const double share = (64.0 * static_cast<double>(in_a) + 20 - static_cast<double>(in_a)) / (64 * 24 + 16);
    EXPECT_GE(share, target);
    EXPECT_LT(share, target + 2 * 64.0 / (64 * 24 + 16)) << "and not by more than needed";
  }
  PruneConfig c = config(R"({"inverse": "layer", "schedule": {"type": "one_shot", "final_sparsity": 0.2}})");
  c.flops_target = 0.9;
  EXPECT_THROW(Planner(c, data, layers, 0.01).plan(0.2), Error)
      << "8 weights can't be 90 % of the multiply-adds";
}

TEST_F(PlannerTest, AFlopsExponentMovesThePruningToTheLayersThatCostMore) {
  // Layer a's weights take part in 64 multiply-adds each, layer b's in one.
  const auto removed_of_a = [&](double exponent) {
    PruneConfig c = config(R"({"inverse": "layer"})");
    c.flops_exponent = exponent;
    const Plan plan = Planner(c, data, layers, 0.01).plan(0.5);
    EXPECT_EQ(plan.flops_exponent, exponent);
    EXPECT_EQ(std::count(plan.removed.begin(), plan.removed.end(), true), 20);
    return std::count(plan.removed.begin(), plan.removed.begin() + 24, true);
  };
  EXPECT_GT(removed_of_a(1), removed_of_a(0));
  EXPECT_LT(removed_of_a(-1), removed_of_a(0));
  EXPECT_EQ(removed_of_a(8), 20) << "in the end only what costs most counts";
}

TEST_F(PlannerTest, ThePublishedMaskRuleKeepsOneFewer) {
  const PruneConfig exact = config(R"({"inverse": "layer"})"),
                    published = config(R"({"inverse": "layer", "mask_rule": "threshold"})");
  const Plan ours = Planner(exact, data, layers, 0.01).plan(0.5),
             theirs = Planner(published, data, layers, 0.01).plan(0.5);
  EXPECT_EQ(std::count(ours.removed.begin(), ours.removed.end(), true), 20);
  EXPECT_EQ(std::count(theirs.removed.begin(), theirs.removed.end(), true), 21);
  for (std::size_t q = 0; q < 40; ++q)
    EXPECT_LE(ours.removed[q], theirs.removed[q]) << "the ranking is the same";
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
    const PruneConfig c = config(json);
    const Plan plan = Planner(c, data, layers, 0.01).plan(0.5);
    const auto count = std::count(plan.removed.begin(), plan.removed.end(), true);
    EXPECT_NEAR(static_cast<double>(count), 20, 4);
    for (std::size_t q = 0; q < 40; ++q) EXPECT_TRUE(!plan.removed[q] || w[q] + plan.delta[q] == 0) << q;
  }
}

/// A small network as a pruning step meets it.
struct SiteTest : ::testing::Test {
  SmallNetwork net;
  LoadedData data{.source = net.data, .preprocessing = net.preprocessing, .augmentation = {}};
};

TEST_F(SiteTest, ATrialMeasuresAndLeavesNoTrace) {
  const PruneConfig c = config(R"({"num_grads": 50})");
  PruningSite site(*net.model, data, c, {});
  Trial trial = site.trial();
  const std::vector<Real> before(net.model->store().values().begin(), net.model->store().values().end());
  const double loss = trial.loss();
  EXPECT_EQ(loss, site.loss());
  std::vector<double> zero = site.data().w;
  for (double& w : zero) w = -w;
  EXPECT_NEAR(trial.loss(zero), std::log(3.0), 0.2)
      << "without weights all classes are alike, but for biases";
  EXPECT_EQ(trial.loss(), loss);
  EXPECT_EQ(trial.loss_of_part(zero, {0, 0}), loss);
  EXPECT_NE(trial.loss_of_part(zero, {0, 10}), loss);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), net.model->store().values().begin()));
}

TEST_F(SiteTest, APlanIsPutIntoTheNetworkAndTakenBack) {
  const PruneConfig c = config(R"({"num_grads": 60, "inverse": "layer"})");
  PruningSite site(*net.model, data, c, {});
  site.gather_gradients(false);
  ParameterStore& store = net.model->store();
  const auto all = [&] {
    std::vector<Real> v(store.values().begin(), store.values().end());
    v.insert(v.end(), store.mask().begin(), store.mask().end());
    v.insert(v.end(), store.statistics().begin(), store.statistics().end());
    return v;
  };
  const std::vector<Real> before = all();
  const Plan plan = site.planner(c, 1e-3).plan(0.6);
  const double expected = site.trial().loss(plan.delta);
  site.put(plan);
  EXPECT_EQ(PrunableLayers(c, *net.model).pruned(store), plan.removed);
  EXPECT_NEAR(site.trial().loss(), expected, 1e-6);
  for (Real& s : store.statistics()) s = 2;  // as a re-estimation would
  site.restore();
  EXPECT_EQ(all(), before);
}

TEST_F(SiteTest, RowsInAFileAreTheRowsInMemory) {
  const testing::TempFolder folder;
  const PruneConfig memory = config(R"({"num_grads": 30, "fisher": "sampled"})"),
                    file = config(R"({"num_grads": 30, "fisher": "sampled", "gradient_storage": "file"})");
  PruningSite a(*net.model, data, memory, {.seed = 4}), b(*net.model, data, file, {.seed = 4});
  a.gather_gradients(false, folder.path().string());
  b.gather_gradients(false, folder.path().string());
  EXPECT_TRUE(all_of(a.rows()) == all_of(b.rows()));
  EXPECT_EQ(a.loss(), b.loss());
}

TEST_F(SiteTest, TheBestDampeningIsWhatHeldOutExamplesLikeBest) {
  const PruneConfig c =
      config(R"({"damp": "auto", "inverse": "layer", "num_grads": 60, "held_out_examples": 100})");
  EXPECT_FALSE(c.damp.has_value());
  PruningSite site(*net.model, data, c, {});
  site.gather_gradients(false);
  const DampChoice choice = choose_damp(c, site.data(), site.views(), 0.6, site.held_out());
  ASSERT_GE(choice.trials.size(), 3U);
  double least = 1e300, chosen = 0;
  const double before = site.held_out().loss();
  for (const DampTrial& t : choice.trials) {
    least = std::min(least, before + t.measured);
    if (t.damp == choice.damp) chosen = before + t.measured;
    // The trial is the plan that this dampening makes, from
    // Cholesky factors as well as from the decomposition.
    const Plan plan = site.planner(c, t.damp).plan(0.6);
    EXPECT_NEAR(site.held_out().loss(plan.delta) - before, t.measured, 0.02 + 0.05 * std::abs(t.measured))
        << t.damp;
  }
  EXPECT_LE(chosen, least / 0.99 + 1e-12);
  EXPECT_NE(choice.reason.find("held-out"), std::string::npos);
}

}  // namespace
}  // namespace espalier
