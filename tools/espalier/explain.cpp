// explain.cpp: `espalier explain`: a small problem worked out, or one weight of a real network seen by every
// criterion.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "framework/config/suggest.h"
#include "framework/io/progress.h"
#include "framework/io/table.h"
#include "pruning/auto_damp.h"
#include "pruning/examples.h"
#include "tools/espalier/quadratic_problem.h"
#include "tools/espalier/session.h"

namespace espalier {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t absorbers_shown = 10;

/// A weight by its place in PyTorch's order: layer[o,i,h,w], layer[o,i] for linear layers.
struct Place {
  std::size_t layer;
  Index column;
};

std::string place_text(const LayerView& layer, Index column) {
  const Index at = column - layer.columns.begin;
  const Shape& s = layer.shape;
  if (s.rank() == 2) return fmt::format("{}[{},{}]", layer.name, at / s[1], at % s[1]);
  const Index i = at % s[3], x = at / s[3] % s[2], y = at / (s[3] * s[2]) % s[1],
              o = at / (s[3] * s[2] * s[1]);
  return fmt::format("{}[{},{},{},{}]", layer.name, o, i, y, x);
}

Place find_weight(const std::string& text, std::span<const LayerView> layers) {
  const auto open = text.find('[');
  const auto malformed = [&](const std::string& why) {
    fail(ExitCode::usage,
         "--weight {}: {}; write it as layer[o,i,h,w] for a convolution, layer[o,i] for a linear layer", text,
         why);
  };
  if (open == std::string::npos || text.back() != ']') malformed("it has no index in brackets");
  const std::string name = text.substr(0, open);
  std::vector<std::string> names;
  for (const LayerView& l : layers) names.push_back(l.name);
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end())
    fail(ExitCode::usage, "--weight {}: there is no prunable layer \"{}\"{} (there are {})", text, name,
         did_you_mean(name, names), fmt::join(names, ", "));
  const LayerView& layer = layers[static_cast<std::size_t>(found - names.begin())];
  std::vector<Index> index;
  std::string digits;
  for (const char c : text.substr(open + 1)) {
    if (c >= '0' && c <= '9' && digits.size() < 9) {
      digits += c;
    } else if ((c == ',' || c == ']') && !digits.empty()) {
      index.push_back(std::stol(digits));
      digits.clear();
    } else if (c != ' ') {
      malformed(fmt::format("'{}' is no part of an index", c));
    }
  }
  const Shape& s = layer.shape;
  const std::vector<Index> extents =
      s.rank() == 2 ? std::vector<Index>{s[0], s[1]} : std::vector<Index>{s[0], s[3], s[1], s[2]};
  if (index.size() != extents.size())
    malformed(fmt::format("{} has {} axes, not {}", name, extents.size(), index.size()));
  for (std::size_t a = 0; a < index.size(); ++a)
    if (index[a] >= extents[a])
      fail(ExitCode::usage, "--weight {}: index {} of axis {} is out of range; the layer is [{}]", text,
           index[a], a, fmt::join(extents, ","));
  const Index at = s.rank() == 2 ? index[0] * s[1] + index[1]
                                 : ((index[0] * s[1] + index[2]) * s[2] + index[3]) * s[3] + index[1];
  return {static_cast<std::size_t>(found - names.begin()), layer.columns.begin + at};
}

struct Opinion {
  std::string criterion;
  double score = 0;
  Index rank = 0;  ///< 1: goes first
};

void explain_weight(const CommandOptions& options) {
  RunConfig config = read_run_config(options);
  if (!config.prune)
    fail(ExitCode::config, "{}: has no \"prune\" section, which says how curvature is measured",
         options.config);
  PruneConfig& prune = *config.prune;
  Workbench bench = prepare(config, config.checkpoint);
  const std::vector<ParameterId> layers = prunable_layers(prune, *bench.model);
  const std::vector<LayerView> views = layer_views(*bench.model, layers);
  const Place place = find_weight(options.weight, views);
  const auto column = static_cast<std::size_t>(place.column);
  const ImageSet& train = bench.data.source.train;
  const std::vector<Index> listed =
      prune.index_file.empty() ? std::vector<Index>() : read_indices(prune.index_file);
  const std::vector<Index> examples = fisher_examples(prune, train, listed, config.seed, 0, 0);
  const ParameterStore& store = bench.model->store();
  const std::vector<double> w = gather(store.values(), store, layers),
                            mask = gather(store.mask(), store, layers);
  std::vector<bool> pruned(w.size());
  for (std::size_t q = 0; q < w.size(); ++q) pruned[q] = mask[q] == 0;
  const Gradients G(*bench.model, layers, train, bench.data.preprocessing, examples,
                    {.rows = prune.num_grads,
                     .fisher = prune.fisher,
                     .kronecker = prune.inverse->needs_kronecker(),
                     .seed = config.seed});
  const PruneProblem problem{
      .w = w, .rows = &G, .g = G.mean(), .layers = views, .pruned = pruned, .held_out = {}};
  const double damp = prune.damp.value_or(1e-5);

  // Each criterion's score, and how many weights it would remove before this one.
  std::vector<Opinion> opinions;
  for (const char* name : {"magnitude", "diagonal_fisher", "woodfisher", "woodtaylor"}) {
    prune.criterion.choose(name);
    const Planner planner(prune, problem, damp);
    Opinion o{.criterion = name, .score = planner.scores()[column], .rank = 1};
    for (std::size_t q = 0; q < w.size(); ++q)
      if (!pruned[q] && (planner.scores()[q] < o.score || (planner.scores()[q] == o.score && q < column)))
        ++o.rank;
    opinions.push_back(o);
  }
  // Its removal alone, after WoodFisher (h = 0) and after WoodTaylor.
  Trial same(*bench.model, layers, train, bench.data.preprocessing, examples);
  Trial others(*bench.model, layers, train, bench.data.preprocessing,
               held_out_examples(prune, train, examples, config.seed, 0, 0));
  const double loss_same = same.loss(), loss_others = others.loss();
  struct Outcome {
    std::string how;
    std::vector<double> delta;
    Prediction predicted;
    double measured = 0, held_out = 0;
  };
  std::vector<Outcome> outcomes;
  std::vector<bool> alone(w.size(), false);
  alone[column] = true;
  prune.criterion.choose("woodtaylor");
  const Planner taylor(prune, problem, damp);
  const UpdateSettings update{.inverse = prune.inverse.settings.get(), .damp = damp};
  const auto try_out = [&](const char* how, std::vector<double> delta) {
    Outcome o{.how = how, .delta = std::move(delta), .predicted = {}};
    o.predicted = predict(G, G.mean(), o.delta, damp);
    o.measured = same.loss(o.delta) - loss_same;
    o.held_out = others.loss(o.delta) - loss_others;
    outcomes.push_back(std::move(o));
  };
  std::vector<double> zeroed(w.size(), 0.0);
  zeroed[column] = -w[column];
  try_out("set to zero, nothing else moves", zeroed);
  PruneState state{.w = w, .rows = &G, .inverse = taylor.inverse(), .pruned = &pruned};
  try_out("woodfisher", compensate(state, alone, UpdateMode::simultaneous, update));
  state.g = G.mean();
  state.step = taylor.step();
  try_out("woodtaylor", compensate(state, alone, UpdateMode::simultaneous, update));

  const std::vector<double>& move = outcomes[1].delta;
  std::vector<Index> absorbers;
  for (std::size_t q = 0; q < w.size(); ++q)
    if (q != column && move[q] != 0) absorbers.push_back(static_cast<Index>(q));
  std::stable_sort(absorbers.begin(), absorbers.end(), [&](Index a, Index b) {
    return std::abs(move[static_cast<std::size_t>(a)]) > std::abs(move[static_cast<std::size_t>(b)]);
  });
  absorbers.resize(std::min(absorbers.size(), absorbers_shown));
  const auto layer_of = [&](Index q) -> const LayerView& {
    return *std::find_if(views.begin(), views.end(), [&](const LayerView& l) { return q < l.columns.end; });
  };
  const Index alive = std::count(pruned.begin(), pruned.end(), false);
  const std::string name = place_text(views[place.layer], place.column);
  if (options.json) {
    Json out{{"weight", name},
             {"value", w[column]},
             {"pruned", static_cast<bool>(pruned[column])},
             {"mean_gradient", G.mean()[column]},
             {"damp", damp},
             {"inverse", prune.inverse.type},
             {"inverse_diagonal", taylor.inverse()->diagonal()[column]},
             {"num_grads", prune.num_grads},
             {"weights", alive}};
    for (const Opinion& o : opinions)
      out["criteria"].push_back({{"criterion", o.criterion}, {"score", o.score}, {"rank", o.rank}});
    out["absorbed_by"] = Json::array();
    for (const Index q : absorbers)
      out["absorbed_by"].push_back({{"weight", place_text(layer_of(q), q)},
                                    {"value", w[static_cast<std::size_t>(q)]},
                                    {"delta", move[static_cast<std::size_t>(q)]}});
    for (const Outcome& o : outcomes)
      out["removal"].push_back({{"update", o.how},
                                {"predicted_loss_change", o.predicted.change()},
                                {"predicted_with_damping", o.predicted.damped_change()},
                                {"measured_loss_change", o.measured},
                                {"held_out_loss_change", o.held_out}});
    fmt::print("{}\n", out.dump(2));
    return;
  }
  fmt::print("{} = {:.6g}{}, one of {} weights that are left; mean gradient {:.3g}\n", name, w[column],
             pruned[column] ? " (pruned)" : "", format_count(alive), G.mean()[column]);
  fmt::print("curvature from {} gradients, inverse \"{}\", damp {:g}: [F^-1]_qq = {:.6g}\n\n",
             prune.num_grads, prune.inverse.type, damp, taylor.inverse()->diagonal()[column]);
  Table scores({"criterion", "score", "rank", "goes before"});
  for (const Opinion& o : opinions)
    scores.add(
        {o.criterion, fmt::format("{:.4g}", o.score), format_count(o.rank),
         fmt::format("{:.1f} %", 100.0 * static_cast<double>(alive - o.rank) / static_cast<double>(alive))});
  fmt::print("{}\n", scores.str("  "));
  fmt::print("Removed alone (loss {:.6g} on the gradients' examples, {:.6g} on {} others):\n", loss_same,
             loss_others, format_count(prune.held_out_examples));
  Table removal({"update", "predicted", "with damping", "measured", "on the others"});
  for (const Outcome& o : outcomes)
    removal.add({o.how, fmt::format("{:+.3e}", o.predicted.change()),
                 fmt::format("{:+.3e}", o.predicted.damped_change()), fmt::format("{:+.3e}", o.measured),
                 fmt::format("{:+.3e}", o.held_out)});
  fmt::print("{}\n", removal.str("  "));
  if (absorbers.empty()) {
    fmt::print("No other weight moves: its gradient is zero or its block holds nothing else.\n");
    return;
  }
  fmt::print("Who absorbs it (WoodFisher, delta = -(w / [F^-1]_qq) F^-1 e_q):\n");
  Table table({"weight", "value", "delta", "of its own value"});
  for (const Index q : absorbers) {
    const double own = w[static_cast<std::size_t>(q)], d = move[static_cast<std::size_t>(q)];
    table.add({place_text(layer_of(q), q), fmt::format("{:.4g}", own), fmt::format("{:+.3e}", d),
               own == 0 ? "-" : fmt::format("{:+.2f} %", 100 * d / own)});
  }
  fmt::print("{}", table.str("  "));
}

}  // namespace

void explain_command(const CommandOptions& options) {
  if (!options.weight.empty()) return explain_weight(options);
  const QuadraticProblem problem = read_problem(options.config);
  const QuadraticSolution solution = solve(problem);
  fmt::print("{}\n", options.json ? solution_json(problem, solution) : derivation(problem, solution));
}

}  // namespace espalier
