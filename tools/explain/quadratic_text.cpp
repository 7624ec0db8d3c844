// quadratic_text.cpp: what `espalier explain PROBLEM.json` prints, for programs and for people.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "framework/io/table.h"
#include "tools/explain/quadratic_problem.h"

namespace espalier {
namespace {

using Json = nlohmann::ordered_json;
constexpr double far_off = 10;  // the ranking's set costs this many times the best: shown to people

Json single_json(const Removal& r) { return {{"delta_w", r.delta}, {"loss_increase", r.loss}}; }

Json set_json(const QuadraticProblem& p, const Removal& r) {
  Vector after = p.w;
  for (std::size_t q = 0; q < after.size(); ++q) after[q] += r.delta[q];
  return {{"delta_w", r.delta},
          {"new_w", after},
          {"loss_increase", r.loss},
          {"simultaneous_delta_w", r.simultaneous},
          {"simultaneous_then_zeroed_delta_w", r.zeroed},
          {"simultaneous_then_zeroed_loss_increase", r.zeroed_loss}};
}

std::string number(double v) { return fmt::format("{:.6g}", v == 0 ? 0.0 : v); }

std::string vector_text(const Vector& v, std::size_t most = 12) {
  std::string text = "(";
  for (std::size_t i = 0; i < std::min(v.size(), most); ++i) text += (i ? ", " : "") + number(v[i]);
  return text + (v.size() > most ? fmt::format(", ... {} in all)", v.size()) : ")");
}

std::string matrix_text(const Matrix& m) {
  constexpr std::size_t most = 10;
  Table table(std::vector<std::string>(std::min(m.size(), most) + 1, ""));
  for (std::size_t i = 0; i < std::min(m.size(), most); ++i) {
    std::vector<std::string> row{""};
    for (std::size_t j = 0; j < std::min(m.size(), most); ++j) row.push_back(number(m[i][j]));
    table.add(row);
  }
  return table.str("  ") + (m.size() > most
                                ? fmt::format("    ... the first {} of {} rows and columns\n", most, m.size())
                                : "");
}

std::string set_text(const std::vector<Index>& set) { return fmt::format("{{{}}}", fmt::join(set, ", ")); }

}  // namespace

std::string solution_json(const QuadraticProblem& p, const QuadraticSolution& s) {
  Vector diagonal, increase;
  for (std::size_t q = 0; q < p.d(); ++q) {
    diagonal.push_back(s.inverse[q][q]);
    increase.push_back(s.woodtaylor[q] + s.constant);
  }
  Json singles = Json::array(), sets = Json::array();
  for (std::size_t q = 0; q < p.d(); ++q)
    singles.push_back({{"removed", q},
                       {"woodfisher", single_json(s.singles[0][q])},
                       {"woodtaylor", single_json(s.singles[1][q])}});
  for (std::size_t k = 0; k < p.sets.size(); ++k)
    sets.push_back({{"removed", p.sets[k]},
                    {"woodfisher", set_json(p, s.sets[0][k])},
                    {"woodtaylor", set_json(p, s.sets[1][k])}});
  Json out{{"F", s.F},
           {"F_inv", s.inverse},
           {"F_inv_diag", diagonal},
           {"F_inv_times_g", s.h},
           {"rho_magnitude", s.magnitude},
           {"rho_obd_damped", s.obd_damped},
           {"rho_diag_fisher_undamped", s.diagonal_fisher},
           {"rho_woodfisher", s.woodfisher},
           {"rho_woodtaylor", s.woodtaylor},
           {"woodtaylor_constant", s.constant},
           {"woodtaylor_loss_increase", increase},
           {"ranking_woodfisher_ascending", ranking(s.woodfisher)},
           {"ranking_woodtaylor_ascending", ranking(s.woodtaylor)},
           {"single_removals", singles},
           {"set_removals", sets}};
  if (!s.subsets.empty()) out["exhaustive_k_subsets"] = Json::array();
  for (const BestSubset& b : s.subsets)
    out["exhaustive_k_subsets"].push_back({{"k", b.k},
                                           {"best_subset", b.best},
                                           {"best_loss_increase", b.best_loss},
                                           {"lowest_rho_subset", b.lowest},
                                           {"lowest_rho_loss_increase", b.lowest_loss},
                                           {"all_subsets_examined", b.examined}});
  if (!p.per_example.empty()) {
    QuadraticProblem single = p;
    single.gradients = p.per_example;
    single.sets.clear();
    out["F_if_minibatch_were_1"] = solve(single).F;
  }
  return out.dump(2);
}

std::string derivation(const QuadraticProblem& p, const QuadraticSolution& s) {
  std::string t = fmt::format("{} weights in {} block(s), {} gradient(s), lambda = {:g}\n\n", p.d(),
                              p.blocks.size(), p.n(), p.damp);
  t += "w = " + vector_text(p.w) + "\ng = " + vector_text(p.g) + "   (gradient of the loss at w)\n\n";
  t += "1. The quadratic model: L(w + delta) - L(w) = g'delta + 1/2 delta'F delta,\n";
  t += "   F = lambda I + (1/N) sum_n g_n g_n'" +
       std::string(p.blocks.size() > 1 ? ", on the diagonal blocks" : "") + " =\n" + matrix_text(s.F);

  t += "\n2. Its inverse, one gradient at a time (Sherman-Morrison):\n";
  t += "   F_n^-1 = F_{n-1}^-1 - (F_{n-1}^-1 g_n)(F_{n-1}^-1 g_n)' / (N + g_n'F_{n-1}^-1 g_n),  F_0^-1 = I / "
       "lambda\n";
  const std::vector<Matrix> steps = recursion(p);
  constexpr std::size_t most_steps = 4;
  for (std::size_t n = 1; n < steps.size() && n <= most_steps && p.d() <= 6; ++n) {
    const Vector& g = p.gradients[n - 1];
    Vector x(p.d(), 0.0);
    for (const auto& block : p.blocks)
      for (const Index i : block)
        for (const Index j : block) x[i] += steps[n - 1][i][j] * g[j];
    t += fmt::format("   n = {}: g_n = {}, F_{{n-1}}^-1 g_n = {}", n, vector_text(g), vector_text(x));
    if (p.blocks.size() == 1)
      t += fmt::format(", denominator {} + {}", p.n(),
                       number(std::inner_product(g.begin(), g.end(), x.begin(), 0.0)));
    t += ":\n" + matrix_text(steps[n]);
  }
  if (p.d() > 6 || p.n() > most_steps)
    t += fmt::format("   after all {} gradients:\n{}", p.n(), matrix_text(s.inverse));
  double apart = 0, scale = 1e-300;
  for (std::size_t i = 0; i < p.d(); ++i)
    for (std::size_t j = 0; j < p.d(); ++j) {
      apart = std::max(apart, std::abs(steps.back()[i][j] - s.inverse[i][j]));
      scale = std::max(scale, std::abs(s.inverse[i][j]));
    }
  t += fmt::format("   The Gram form (I - G'(lambda N I + G G')^-1 G) / lambda gives the same to {:.1g}.\n",
                   apart / scale);

  t += "\n3. What the removal of each weight alone costs: rho_q = r_q^2 / (2 [F^-1]_qq), r = w - h\n";
  t += "   h = F^-1 g = " + vector_text(s.h) +
       fmt::format("; WoodTaylor's loss change is rho + ({})\n", number(s.constant));
  Table scores({"weight", "w", "[F^-1]_qq", "|w|", "1/2 F_qq w^2 (OBD)", "WoodFisher (h = 0)", "WoodTaylor",
                "loss change"});
  constexpr std::size_t most_rows = 40;
  for (std::size_t q = 0; q < std::min(p.d(), most_rows); ++q)
    scores.add({std::to_string(q), number(p.w[q]), number(s.inverse[q][q]), number(s.magnitude[q]),
                number(s.obd_damped[q]), number(s.woodfisher[q]), number(s.woodtaylor[q]),
                number(s.woodtaylor[q] + s.constant)});
  t += scores.str("  ");
  if (p.d() > most_rows) t += fmt::format("    ... {} more\n", p.d() - most_rows);
  const auto first = [&](const Vector& v) {
    std::vector<Index> order = ranking(v);
    const bool cut = order.size() > 12;
    order.resize(std::min<std::size_t>(order.size(), 12));
    return fmt::format("{}{}", fmt::join(order, " < "), cut ? " < ..." : "");
  };
  t += "   goes first, by magnitude:  " + first(s.magnitude) +
       "\n             by WoodFisher: " + first(s.woodfisher) +
       "\n             by WoodTaylor: " + first(s.woodtaylor) + "\n";

  const auto removals = [&](const std::vector<Removal>& list, const char* title, bool sets) {
    Table table(sets ? std::vector<std::string>{"removed", "joint delta", "loss change",
                                                "simultaneous delta, zeroed", "loss change"}
                     : std::vector<std::string>{"removed", "delta w", "loss change"});
    for (std::size_t k = 0; k < std::min<std::size_t>(list.size(), most_rows); ++k) {
      const Removal& r = list[k];
      std::vector<std::string> row{set_text(r.removed), vector_text(r.delta, 6), number(r.loss)};
      if (sets) row.insert(row.end(), {vector_text(r.zeroed, 6), number(r.zeroed_loss)});
      table.add(row);
    }
    return fmt::format(
        "   {}\n{}{}", title, table.str("  "),
        list.size() > most_rows ? fmt::format("    ... {} more\n", list.size() - most_rows) : "");
  };
  t += "\n4. Removing one weight: delta w = -(r_q / [F^-1]_qq) F^-1 e_q - h\n";
  t += removals(s.singles[0], "WoodFisher (g = 0):", false) + removals(s.singles[1], "WoodTaylor:", false);

  t += "\n5. Removing two: delta w = -F^-1 E_Q ([F^-1]_QQ)^-1 r_Q - h; the paper's simultaneous sum takes "
       "only the diagonal of [F^-1]_QQ\n";
  std::vector<Removal> pairs;
  for (std::size_t a = 0; a < p.d() && p.d() <= 24; ++a)
    for (std::size_t b = a + 1; b < p.d(); ++b)
      pairs.push_back(remove_set(p, s, {static_cast<Index>(a), static_cast<Index>(b)}, false));
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const Removal& a, const Removal& b) { return a.loss < b.loss; });
  if (pairs.empty())
    t += p.d() < 2 ? "   there is only one weight\n" : "   (pairs are listed for up to 24 weights)\n";
  else
    t += removals(pairs, "WoodFisher, every pair, cheapest first:", true);
  if (!p.sets.empty()) {
    t += "\n6. The sets asked for\n";
    t += removals(s.sets[0], "WoodFisher (g = 0):", true) + removals(s.sets[1], "WoodTaylor:", true);
  }
  const bool worth_showing = std::any_of(s.subsets.begin(), s.subsets.end(), [](const BestSubset& b) {
    return b.lowest_loss > far_off * b.best_loss;
  });
  for (const BestSubset& b : s.subsets)
    if (worth_showing && b.lowest_loss > b.best_loss * (1 + 1e-9))
      t += fmt::format(
          "\n   Of all {} sets of {} the best is {} at {}; the {} lowest rho, {}, cost {}: they don't know "
          "of each other.\n",
          b.examined, b.k, set_text(b.best), number(b.best_loss), b.k, set_text(b.lowest),
          number(b.lowest_loss));
  return t;
}

}  // namespace espalier
