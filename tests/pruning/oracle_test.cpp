// Every quadratic, schedule and one-shot case of the oracle, through every inverse that can express it.
#include "tests/support/oracle.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "pruning/choice/selection.h"
#include "pruning/update/update.h"
#include "tests/support/pruning.h"

namespace espalier {
namespace {

using nlohmann::json;
constexpr double tolerance = 1e-9;

struct Quadratic {
  explicit Quadratic(const json& inputs)
      : w(inputs["weights"].get<std::vector<double>>()),
        g(inputs["gradient_vector"].get<std::vector<double>>()),
        damp(inputs["lambda"]),
        rows(static_cast<Index>(inputs["gradients"].size()), static_cast<Index>(w.size()),
             flat(inputs["gradients"])) {
    for (const json& b : inputs["blocks"])
      blocks.push_back({b.front().get<Index>(), b.back().get<Index>() + 1});
  }
  static std::vector<double> flat(const json& m) {
    std::vector<double> v;
    for (const json& row : m) v.insert(v.end(), row.begin(), row.end());
    return v;
  }
  std::vector<double> w, g;
  double damp;
  DenseRows rows;
  std::vector<Range> blocks;  // passed as layers: every inverse keeps layers apart, but "full"
};

std::vector<std::size_t> ranking(const std::vector<double>& s) {
  std::vector<std::size_t> order(s.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return s[a] < s[b]; });
  return order;
}

/// g'delta + 1/2 delta'F delta with the case's own F.
double loss_increase(const json& F, const std::vector<double>& delta, const std::vector<double>& g) {
  double sum = 0;
  for (std::size_t p = 0; p < delta.size(); ++p) {
    sum += g[p] * delta[p];
    for (std::size_t q = 0; q < delta.size(); ++q) sum += 0.5 * delta[p] * F[p][q].get<double>() * delta[q];
  }
  return sum;
}

void check_removal(const json& expected, const Quadratic& problem, const QuadraticModel& model,
                   const json& removed, const json& F) {
  std::vector<bool> set(problem.w.size(), false);
  for (const json& q : removed) set[q.get<std::size_t>()] = true;
  const std::vector<double> g = model.g.empty() ? std::vector<double>(problem.g.size(), 0.0) : problem.g;
  const std::vector<double> joint = compensate(model, {set}, UpdateMode::joint);
  expect_close(expected["delta_w"], joint, tolerance, "joint delta_w");
  EXPECT_NEAR(loss_increase(F, joint, g), expected["loss_increase"].get<double>(),
              tolerance * std::max(1.0, std::abs(expected["loss_increase"].get<double>())));
  const std::vector<double> sum = compensate(model, {set}, UpdateMode::simultaneous);
  if (expected.contains("simultaneous_then_zeroed_delta_w")) {
    expect_close(expected["simultaneous_then_zeroed_delta_w"], sum, tolerance, "simultaneous delta_w");
    const double loss = expected["simultaneous_then_zeroed_loss_increase"];
    EXPECT_NEAR(loss_increase(F, sum, g), loss, tolerance * std::max(1.0, std::abs(loss)));
    std::vector<double> after = problem.w;
    for (std::size_t q = 0; q < after.size(); ++q) after[q] += joint[q];
    expect_close(expected["new_w"], after, tolerance, "new_w", 1);
    for (std::size_t q = 0; q < after.size(); ++q)
      if (set[q]) {
        EXPECT_EQ(after[q], 0.0) << "a removed weight is exactly zero";
      }
  } else {
    expect_close(expected["delta_w"], sum, tolerance, "for a single weight both updates are the same");
  }
}

void check_case(const json& c, const std::string& inverse_json) {
  SCOPED_TRACE(c["id"].get<std::string>() + " with " + inverse_json);
  const Quadratic problem(c["inputs"]);
  const json& expected = c["expected"];
  const auto kind = made<InverseSettings>(inverse_json);
  const auto inverse = kind->build(problem.rows, problem.blocks, problem.damp);
  const std::size_t d = problem.w.size();

  const DenseFisher fisher(problem.rows, problem.blocks, problem.damp);
  expect_close(json(Quadratic::flat(expected["F"])), fisher.matrix, tolerance, "F");
  std::vector<Index> all(d);
  std::iota(all.begin(), all.end(), 0);
  expect_close(json(Quadratic::flat(expected["F_inv"])), inverse->submatrix(all), tolerance, "F_inv");
  expect_close(expected["F_inv_diag"], inverse->diagonal(), tolerance, "diagonal");
  std::vector<double> h(d);
  inverse->apply(problem.g, h);
  expect_close(expected["F_inv_times_g"], h, tolerance, "F_inv g");

  const QuadraticModel fisher_model{.w = problem.w,
                                    .rows = &problem.rows,
                                    .layers = problem.blocks,
                                    .damp = problem.damp,
                                    .kind = kind.get()};
  QuadraticModel taylor_model = fisher_model;
  taylor_model.g = problem.g;
  taylor_model.step_damp = problem.damp;
  taylor_model.shorten_step = false;
  taylor_model.h = gradient_step(taylor_model);
  EXPECT_EQ(taylor_model.h, h);
  const std::vector<double> rho = saliency_of("woodfisher", fisher_model),
                            rho_taylor = saliency_of("woodtaylor", taylor_model);
  expect_close(expected["rho_magnitude"], saliency_of("magnitude", fisher_model), tolerance, "magnitude");
  expect_close(expected["rho_diag_fisher_undamped"], saliency_of("diagonal_fisher", fisher_model), tolerance,
               "diagonal Fisher");
  const auto diagonal = made<InverseSettings>("\"diagonal\"");
  QuadraticModel obd_model = fisher_model;
  obd_model.kind = diagonal.get();
  obd_model.built.reset();
  expect_close(expected["rho_obd_damped"], saliency_of("woodfisher", obd_model), tolerance,
               "OBD is WoodFisher with a diagonal F");
  expect_close(expected["rho_woodfisher"], rho, tolerance, "rho woodfisher");
  expect_close(expected["rho_woodtaylor"], rho_taylor, tolerance, "rho woodtaylor");
  EXPECT_EQ(json(ranking(rho)), expected["ranking_woodfisher_ascending"]);
  EXPECT_EQ(json(ranking(rho_taylor)), expected["ranking_woodtaylor_ascending"]);
  double constant = 0;
  for (std::size_t q = 0; q < d; ++q) constant -= 0.5 * problem.g[q] * h[q];
  EXPECT_NEAR(constant, expected["woodtaylor_constant"].get<double>(),
              tolerance * std::max(1.0, std::abs(constant)));
  std::vector<double> increase = rho_taylor;
  for (double& r : increase) r += constant;
  expect_close(expected["woodtaylor_loss_increase"], increase, tolerance, "woodtaylor loss increase");

  for (const json& r : expected["single_removals"]) {
    check_removal(r["woodfisher"], problem, fisher_model, json::array({r["removed"]}), expected["F"]);
    check_removal(r["woodtaylor"], problem, taylor_model, json::array({r["removed"]}), expected["F"]);
  }
  for (const json& r : expected["set_removals"]) {
    check_removal(r["woodfisher"], problem, fisher_model, r["removed"], expected["F"]);
    check_removal(r["woodtaylor"], problem, taylor_model, r["removed"], expected["F"]);
  }
  if (expected.contains("exhaustive_k_subsets"))
    for (const json& k :
         expected["exhaustive_k_subsets"]) {  // the lowest saliencies are not always the best set
      const auto order = ranking(rho);
      std::vector<bool> lowest(d, false), best(d, false);
      for (std::size_t i = 0; i < k["k"].get<std::size_t>(); ++i) lowest[order[i]] = true;
      for (const json& q : k["best_subset"]) best[q.get<std::size_t>()] = true;
      const std::vector<double> zero(d, 0.0);
      EXPECT_NEAR(loss_increase(expected["F"], compensate(fisher_model, {lowest}, UpdateMode::joint), zero),
                  k["lowest_rho_loss_increase"].get<double>(), tolerance);
      EXPECT_NEAR(loss_increase(expected["F"], compensate(fisher_model, {best}, UpdateMode::joint), zero),
                  k["best_loss_increase"].get<double>(), tolerance);
    }
}

TEST(Oracle, QuadraticCasesThroughEveryInverse) {
  const auto cases = oracle_cases("quadratic");
  EXPECT_GE(cases.size(), 9U);
  for (const json& c : cases) {
    check_case(c, "\"layer\"");
    check_case(c, R"({"type": "block", "fisher_block_size": 100})");
    check_case(c, "\"dense\"");
    if (c["inputs"]["blocks"].size() == 1) check_case(c, "\"full\"");
  }
}

TEST(Oracle, MiniBatchRowsAreMeansDividedByTheNumberOfRows) {
  for (const json& c : oracle_cases("quadratic")) {
    if (!c["inputs"].contains("per_example_gradients")) continue;
    const json &single = c["inputs"]["per_example_gradients"], &rows = c["inputs"]["gradients"];
    const std::size_t size = single.size() / rows.size();
    for (std::size_t m = 0; m < rows.size(); ++m)
      for (std::size_t q = 0; q < rows[m].size(); ++q) {
        double sum = 0;
        for (std::size_t i = 0; i < size; ++i) sum += single[m * size + i][q].get<double>();
        EXPECT_NEAR(sum / static_cast<double>(size), rows[m][q].get<double>(), 1e-12);
      }
  }
}

TEST(Oracle, SchedulesReachTheirTargetAndOtherwiseFollowThePublishedOne) {
  const auto cases = oracle_cases("schedule");
  const json& expected = cases.front()["expected"];
  for (const json& s : expected["gradual"]) {
    const json& k = s["config"];
    const json settings{
        {"type", "cubic"},           {"init_sparsity", k["initial"]}, {"final_sparsity", k["target"]},
        {"start_epoch", k["start"]}, {"update_frequency", k["freq"]}, {"end_epoch", k["end"]},
        {"degree", k["degree"]}};
    const auto events = made<ScheduleSettings>(settings.dump())->events();
    for (std::size_t i = 0; i < s["events"].size(); ++i) {
      EXPECT_EQ(events[i].epoch, s["events"][i]["epoch"].get<int>());
      EXPECT_NEAR(events[i].sparsity, s["events"][i]["sparsity"].get<double>(), 1e-12);
    }
    EXPECT_EQ(events.size(), s["events"].size() + (s["reaches_target"].get<bool>() ? 0 : 1))
        << "a last step at the end is added";
    EXPECT_EQ(events.back().sparsity, k["target"].get<double>());
    EXPECT_EQ(events.back().epoch, k["end"].get<int>());
  }
  for (const json& r : expected["recompute"]) {
    if (r["degree"].get<double>() != 2.0) continue;  // ours is the quadratic ladder
    expect_close(r["levels"],
                 sub_levels(r["from"], r["to"], r["recompute_num"].get<int>() + 1, SubLevels::polynomial),
                 1e-12, "levels");
  }
  for (const json& r : expected["geometric"])
    expect_close(r["levels"], sub_levels(r["from"], r["to"], r["recomputations"], SubLevels::geometric),
                 1e-12, "levels");
  for (const json& t : expected["threshold_counts"]) {
    const auto n = t["n"].get<std::size_t>();
    const std::vector<double> values = random_values(n, 1);
    std::vector<double> positive(n);
    std::transform(values.begin(), values.end(), positive.begin(), [](double s) { return s * s; });
    const std::vector<LayerView> layers{{.name = "all", .columns = {0, static_cast<Index>(n)}, .shape = {}}};
    const auto count = [&](MaskRule rule) {
      const auto removed =
          select(positive, std::vector<bool>(n, false), t["sparsity"], layers, {.rule = rule});
      return std::count(removed.begin(), removed.end(), true);
    };
    EXPECT_EQ(count(MaskRule::threshold), t["official_pruned"].get<long>()) << t;
    EXPECT_EQ(count(MaskRule::exact), t["round_pruned"].get<long>()) << t;
  }
}

TEST(Oracle, OneShotMasksAndUpdatesOfASmallNetwork) {
  for (const json& c : oracle_cases("network")) {
    if (!c["expected"].contains("one_shot")) continue;
    const json& e = c["expected"];
    const json& in = c["inputs"];
    std::vector<double> w = Quadratic::flat(in["W1"]);
    const auto w2 = Quadratic::flat(in["W2"]);
    w.insert(w.end(), w2.begin(), w2.end());
    const DenseRows rows(static_cast<Index>(e["per_example_gradients"].size()), static_cast<Index>(w.size()),
                         Quadratic::flat(e["per_example_gradients"]));
    const std::vector<LayerView> layers{{.name = "W1", .columns = {0, 12}, .shape = {}},
                                        {.name = "W2", .columns = {12, 24}, .shape = {}}};
    const auto kind = made<InverseSettings>("\"layer\"");
    const QuadraticModel model{
        .w = w, .rows = &rows, .layers = columns_of(layers), .damp = in["lambda"], .kind = kind.get()};
    expect_close(e["F_block_inv_diag"], model.inverse().diagonal(), tolerance, "diagonal");
    const std::vector<double> rho = saliency_of("woodfisher", model);
    expect_close(e["rho_woodfisher"], rho, tolerance, "rho");
    for (const auto& [sparsity, variants] : e["one_shot"].items())
      for (const auto& [variant, result] : variants.items()) {
        SCOPED_TRACE(sparsity + " " + variant);
        const SelectionSettings selection{
            .scope = variant.starts_with("global") ? Ranking::global : Ranking::layerwise,
            .rule = variant.ends_with("exact_count") ? MaskRule::exact : MaskRule::threshold,
            .min_kept_per_layer = 0};
        const auto removed =
            select(rho, std::vector<bool>(w.size(), false), std::stod(sparsity), layers, selection);
        std::vector<std::size_t> pruned;
        for (std::size_t q = 0; q < w.size(); ++q)
          if (removed[q]) pruned.push_back(q);
        EXPECT_EQ(json(pruned), result["pruned"]);
        for (const auto& [mode, key] : {std::pair{UpdateMode::simultaneous, "new_w_simultaneous"},
                                        std::pair{UpdateMode::joint, "new_w_joint"}}) {
          std::vector<double> after = compensate(model, {removed}, mode);
          for (std::size_t q = 0; q < w.size(); ++q) after[q] += w[q];
          expect_close(result[key], after, tolerance, key);
        }
      }
  }
}

}  // namespace
}  // namespace espalier
