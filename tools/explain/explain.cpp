// explain.cpp: `espalier explain`: a small problem worked out, or one weight of a real network seen by every
// criterion.
#include "tools/explain/explain.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "framework/config/suggest.h"
#include "framework/io/progress.h"
#include "framework/io/table.h"
#include "pruning/explain/one_weight.h"
#include "tools/explain/quadratic_problem.h"
#include "tools/run/session.h"

namespace espalier {
namespace {

using Json = nlohmann::ordered_json;

/// The column of a weight named layer[o,i,h,w], or layer[o,i] for linear layers.
Index find_weight(const std::string& text, std::span<const LayerView> layers) {
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
  const LayerView& layer = layers[found - names.begin()];
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
  return layer.columns.begin + at;
}

void explain_weight(const CommandOptions& options) {
  RunConfig config = read_run_config(options);
  if (!config.prune)
    fail(ExitCode::config, "{}: has no \"prune\" section, which says how curvature is measured",
         options.config);
  Start start = beginning_of(config);
  start.same_classes = true;
  Workbench bench = prepare(config, start);
  const Index column = find_weight(options.weight, PrunableLayers(*config.prune, *bench.model).views);
  WeightStudy study(*bench.model, *config.prune, bench.data, config.seed);
  const std::vector<Opinion> opinions = study.opinions(column);
  const std::vector<SingleRemoval> removals = study.removals(column, true);
  const std::vector<Absorber> absorbers = study.absorbers(column, absorbers_shown);
  const PruneConfig& prune = *config.prune;
  const auto q = static_cast<std::size_t>(column);
  const double value = study.weights()[q], g = study.rows().mean()[q],
               inverse_qq = study.inverse().diagonal()[q];
  const bool gone = study.pruned()[q];
  const Index alive = std::count(study.pruned().begin(), study.pruned().end(), false);
  const std::string name = weight_name(study.layer_of(column), column);
  if (options.json) {
    Json out{{"weight", name},
             {"value", value},
             {"pruned", gone},
             {"mean_gradient", g},
             {"damp", study.damp()},
             {"inverse", prune.inverse.type},
             {"inverse_diagonal", inverse_qq},
             {"num_grads", prune.num_grads},
             {"weights", alive},
             {"criteria", Json::array()},
             {"absorbed_by", Json::array()},
             {"removal", Json::array()}};
    for (const Opinion& o : opinions)
      out["criteria"].push_back({{"criterion", o.criterion}, {"score", o.saliency}, {"rank", o.rank}});
    for (const Absorber& a : absorbers)
      out["absorbed_by"].push_back({{"weight", weight_name(study.layer_of(a.column), a.column)},
                                    {"value", a.value},
                                    {"delta", a.delta}});
    for (const SingleRemoval& o : removals)
      out["removal"].push_back({{"update", o.update},
                                {"predicted_loss_change", o.predicted.change()},
                                {"predicted_with_damping", o.predicted.damped_change()},
                                {"measured_loss_change", o.measured},
                                {"held_out_loss_change", o.held_out}});
    fmt::print("{}\n", out.dump(2));
    return;
  }
  fmt::print("{} = {:.6g}{}, one of {} weights that are left; mean gradient {:.3g}\n", name, value,
             gone ? " (pruned)" : "", format_count(alive), g);
  fmt::print("curvature from {} gradients, inverse \"{}\", damp {:g}: [F^-1]_qq = {:.6g}\n\n",
             prune.num_grads, prune.inverse.type, study.damp(), inverse_qq);
  Table saliencies({"criterion", "score", "goes as number", "go before it"});
  for (const Opinion& o : opinions)
    saliencies.add(
        {o.criterion, fmt::format("{:.4g}", o.saliency), format_count(o.rank),
         fmt::format("{:.1f} %", 100.0 * static_cast<double>(o.rank - 1) / static_cast<double>(alive))});
  fmt::print("{}\n", saliencies.str("  "));
  fmt::print("Removed alone (loss {:.6g} on the gradients' examples, {:.6g} on {} others):\n", study.loss(),
             study.held_out_loss(), format_count(prune.held_out_examples));
  Table removal({"update", "predicted", "with damping", "measured", "on the others"});
  for (const SingleRemoval& o : removals)
    removal.add({o.update, fmt::format("{:+.3e}", o.predicted.change()),
                 fmt::format("{:+.3e}", o.predicted.damped_change()), fmt::format("{:+.3e}", o.measured),
                 fmt::format("{:+.3e}", o.held_out)});
  fmt::print("{}\n", removal.str("  "));
  if (absorbers.empty()) {
    fmt::print("No other weight moves: its gradient is zero or its block holds nothing else.\n");
    return;
  }
  fmt::print("Who absorbs it (WoodFisher, delta = -(w / [F^-1]_qq) F^-1 e_q):\n");
  Table table({"weight", "value", "delta", "of its own value"});
  for (const Absorber& a : absorbers)
    table.add({weight_name(study.layer_of(a.column), a.column), fmt::format("{:.4g}", a.value),
               fmt::format("{:+.3e}", a.delta),
               a.value == 0 ? "-" : fmt::format("{:+.2f} %", 100 * a.delta / a.value)});
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
