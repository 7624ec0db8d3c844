#include "pruning/explain/one_weight.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "framework/io/index_file.h"
#include "pruning/step/examples.h"

namespace espalier {

std::string weight_name(const LayerView& layer, Index column) {
  const Index at = column - layer.columns.begin;
  const Shape& s = layer.shape;
  if (s.rank() == 2) return fmt::format("{}[{},{}]", layer.name, at / s[1], at % s[1]);
  const Index i = at % s[3], x = at / s[3] % s[2], y = at / (s[3] * s[2]) % s[1],
              o = at / (s[3] * s[2] * s[1]);
  return fmt::format("{}[{},{},{},{}]", layer.name, o, i, y, x);
}

WeightStudy::WeightStudy(Model& model, PruneConfig& config, const LoadedData& data, std::uint64_t seed)
    : config_(config),
      damp_(config.damp.value_or(1e-5)),
      parameters_(prunable_layers(config, model)),
      views_(layer_views(model, parameters_)) {
  const ImageSet& train = data.source.train;
  const std::vector<Index> listed = config.index_file.empty()
                                        ? std::vector<Index>()
                                        : read_index_file(config.index_file, "prune.index_file");
  examples_ = fisher_examples(config, train, listed, seed, 0, 0);
  w_ = gather(model.store().values(), model.store(), parameters_);
  for (const double m : gather(model.store().mask(), model.store(), parameters_)) pruned_.push_back(m == 0);
  gradients_ = std::make_unique<Gradients>(model, parameters_, train, data.preprocessing, examples_,
                                           GradientOptions{.rows = config.num_grads,
                                                           .fisher = config.fisher,
                                                           .kronecker = config.inverse->needs_kronecker(),
                                                           .seed = seed});
  problem_ = std::make_unique<PruneProblem>(PruneProblem{.w = w_,
                                                         .rows = gradients_.get(),
                                                         .g = gradients_->mean(),
                                                         .layers = views_,
                                                         .pruned = pruned_,
                                                         .held_out = {}});
  config.criterion.choose("woodtaylor");  // the one that needs all there is: the inverse and the step
  planner_ = std::make_unique<Planner>(config_, *problem_, damp_);
  for (const char* name : {"magnitude", "diagonal_fisher", "woodfisher", "woodtaylor"}) {
    const auto criterion = Registry<Criterion>::entries().at(name).make();
    PruneState s = state();
    if (!criterion->uses_step()) s.step = {};
    scores_.emplace_back(name, std::vector<double>(w_.size()));
    criterion->score(s, scores_.back().second);
  }
  same_ = std::make_unique<Trial>(model, parameters_, train, data.preprocessing, examples_);
  others_ = std::make_unique<Trial>(model, parameters_, train, data.preprocessing,
                                    held_out_examples(config, train, examples_, seed, 0, 0));
}

PruneState WeightStudy::state() const {
  return {.w = w_,
          .g = gradients_->mean(),
          .rows = gradients_.get(),
          .inverse = planner_->inverse(),
          .step = planner_->step(),
          .pruned = &pruned_};
}

const LayerView& WeightStudy::layer_of(Index column) const {
  return *std::find_if(views_.begin(), views_.end(),
                       [&](const LayerView& l) { return column < l.columns.end; });
}

std::vector<bool> WeightStudy::alone(Index column) const {
  std::vector<bool> set(w_.size(), false);
  set[column] = true;
  return set;
}

std::vector<Opinion> WeightStudy::opinions(Index column) const {
  const auto c = static_cast<std::size_t>(column);
  std::vector<Opinion> result;
  for (const auto& [name, score] : scores_) {
    Opinion o{.criterion = name, .score = score[c], .rank = 1};
    for (std::size_t q = 0; q < score.size(); ++q)
      if (!pruned_[q] && (score[q] < o.score || (score[q] == o.score && q < c))) ++o.rank;
    result.push_back(std::move(o));
  }
  return result;
}

std::vector<double> WeightStudy::woodfisher_move(Index column) const {
  PruneState s = state();
  s.step = {};
  return compensate(s, alone(column), UpdateMode::simultaneous,
                    {.inverse = config_.inverse.settings.get(), .damp = damp_});
}

std::vector<Absorber> WeightStudy::absorbers(Index column, std::size_t most) const {
  const std::vector<double> move = woodfisher_move(column);
  std::vector<Absorber> result;
  for (std::size_t q = 0; q < move.size(); ++q)
    if (static_cast<Index>(q) != column && move[q] != 0)
      result.push_back({static_cast<Index>(q), w_[q], move[q]});
  std::stable_sort(result.begin(), result.end(), [](const Absorber& a, const Absorber& b) {
    return std::abs(a.delta) > std::abs(b.delta);
  });
  result.resize(std::min(result.size(), most));
  return result;
}

std::vector<SingleRemoval> WeightStudy::removals(Index column, bool held_out) {
  std::vector<double> zeroed(w_.size(), 0.0);
  zeroed[column] = -w_[column];
  const std::vector<double> taylor = compensate(state(), alone(column), UpdateMode::simultaneous,
                                                {.inverse = config_.inverse.settings.get(), .damp = damp_});
  const double before = same_->loss(), others_before = held_out ? others_->loss() : 0;
  std::vector<SingleRemoval> result;
  const auto try_out = [&](const char* update, std::span<const double> delta) {
    result.push_back({.update = update,
                      .predicted = predict(*gradients_, gradients_->mean(), delta, damp_),
                      .measured = same_->loss(delta) - before,
                      .held_out = held_out ? others_->loss(delta) - others_before
                                           : std::numeric_limits<double>::quiet_NaN()});
  };
  try_out("set to zero, nothing else moves", zeroed);
  try_out("woodfisher", woodfisher_move(column));
  try_out("woodtaylor", taylor);
  return result;
}

}  // namespace espalier
