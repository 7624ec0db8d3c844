#include "pruning/explain/one_weight.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

namespace espalier {

std::string weight_name(const LayerView& layer, Index column) {
  const Index at = column - layer.columns.begin;
  const Shape& s = layer.shape;
  if (s.rank() == 2) return fmt::format("{}[{},{}]", layer.name, at / s[1], at % s[1]);
  const Index i = at % s[3], x = at / s[3] % s[2], y = at / (s[3] * s[2]) % s[1],
              o = at / (s[3] * s[2] * s[1]);
  return fmt::format("{}[{},{},{},{}]", layer.name, o, i, y, x);
}

namespace {

/// The site with its gradients, and the criterion that needs all there is: the inverse and the step.
PruningSite& prepared(PruningSite& site, PruneConfig& config) {
  site.gather_gradients(config.inverse->needs_kronecker());
  config.criterion.choose("woodtaylor");
  return site;
}

/// The model as WoodFisher takes it: no gradient.
QuadraticModel at_optimum(QuadraticModel model) {
  model.g.clear();
  model.h.clear();
  return model;
}

/// Of what a criterion takes into account: the more, the later in a list.
int depth(const Criterion& c) { return c.needs_gradients() + c.needs_inverse() + c.uses_step(); }

}  // namespace

WeightStudy::WeightStudy(Model& model, PruneConfig& config, const LoadedData& data, std::uint64_t seed)
    : site_(model, data, config, {.seed = seed}),
      planner_(prepared(site_, config).planner(config, config.damp.value_or(1e-5))) {
  std::vector<std::pair<std::string, std::unique_ptr<Criterion>>> criteria;
  for (const auto& [name, entry] : Registry<Criterion>::entries())
    if (auto c = entry.make(); !c->needs_small_blocks()) criteria.emplace_back(name, std::move(c));
  std::stable_sort(criteria.begin(), criteria.end(),
                   [](const auto& a, const auto& b) { return depth(*a.second) < depth(*b.second); });
  const QuadraticModel without_gradient = at_optimum(planner_.model());
  for (const auto& [name, criterion] : criteria) {
    saliencies_.emplace_back(name, std::vector<double>(weights().size()));
    criterion->saliency(criterion->uses_step() ? planner_.model() : without_gradient,
                        saliencies_.back().second);
  }
}

const LayerView& WeightStudy::layer_of(Index column) const {
  return *std::find_if(layers().begin(), layers().end(),
                       [&](const LayerView& l) { return column < l.columns.end; });
}

Choice WeightStudy::alone(Index column) const {
  Choice choice{std::vector<bool>(weights().size(), false)};
  choice.removed[column] = true;
  return choice;
}

std::vector<Opinion> WeightStudy::opinions(Index column) const {
  std::vector<Opinion> result;
  for (const auto& [name, saliency] : saliencies_) {
    Opinion o{.criterion = name, .saliency = saliency[column], .rank = 1};
    for (Index q = 0; q < site_.weights(); ++q)
      if (!pruned()[q] && (saliency[q] < o.saliency || (saliency[q] == o.saliency && q < column))) ++o.rank;
    result.push_back(std::move(o));
  }
  return result;
}

std::vector<double> WeightStudy::woodfisher_move(Index column) const {
  return compensate(at_optimum(planner_.model()), alone(column), UpdateMode::simultaneous);
}

std::vector<Absorber> WeightStudy::absorbers(Index column, std::size_t most) const {
  const std::vector<double> move = woodfisher_move(column);
  std::vector<Absorber> result;
  for (std::size_t q = 0; q < move.size(); ++q)
    if (static_cast<Index>(q) != column && move[q] != 0)
      result.push_back({static_cast<Index>(q), weights()[q], move[q]});
  std::stable_sort(result.begin(), result.end(), [](const Absorber& a, const Absorber& b) {
    return std::abs(a.delta) > std::abs(b.delta);
  });
  result.resize(std::min(result.size(), most));
  return result;
}

std::vector<SingleRemoval> WeightStudy::removals(Index column, bool held_out) {
  std::vector<double> zeroed(weights().size(), 0.0);
  zeroed[column] = -weights()[column];
  Trial same = site_.trial();
  Trial* others = held_out ? &site_.held_out() : nullptr;
  const double before = same.loss(), others_before = others ? others->loss() : 0;
  std::vector<SingleRemoval> result;
  const auto try_out = [&](const char* update, const std::vector<double>& delta) {
    result.push_back({.update = update,
                      .predicted = predict(rows(), rows().mean(), delta, damp()),
                      .measured = same.loss(delta) - before,
                      .held_out = others ? others->loss(delta) - others_before
                                         : std::numeric_limits<double>::quiet_NaN()});
  };
  try_out("set to zero, nothing else moves", zeroed);
  try_out("woodfisher", woodfisher_move(column));
  try_out("woodtaylor", compensate(planner_.model(), alone(column), UpdateMode::simultaneous));
  return result;
}

}  // namespace espalier
