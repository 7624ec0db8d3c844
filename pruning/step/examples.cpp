#include "pruning/step/examples.h"

#include <algorithm>

#include "framework/core/random.h"

namespace espalier {
namespace {

std::vector<Index> shuffled(Index count, std::uint64_t seed, std::initializer_list<std::uint64_t> key) {
  std::vector<Index> examples(count);
  for (std::size_t i = 0; i < examples.size(); ++i) examples[i] = static_cast<Index>(i);
  Random(seed, Random::Use::fisher, key).shuffle(examples);
  return examples;
}

}  // namespace

namespace {

/// Why a layer that the patterns choose is no subject of the group; empty: it is one. Who names the layer itself,
/// not by a pattern, means it.
std::string why_left_alone(const PruneConfig& config, const Model& model, ParameterId id,
                           const std::string& name) {
  if (std::find(config.include.begin(), config.include.end(), name) != config.include.end()) return "";
  if (config.group.type == "filter" && id == classifier(model))
    return "its filters are the network's outputs, one for each class";
  if (config.group.type == "channel" && !model.costs().empty() && id == model.costs().front().weight)
    return "its channels are the network's inputs";
  return "";
}

}  // namespace

LayerChoice choose_layers(const PruneConfig& config, const Model& model) {
  const auto& infos = model.store().infos();
  std::vector<ParameterId> candidates;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < infos.size(); ++i) {
    if (infos[i].role != Role::weight) continue;
    candidates.push_back(static_cast<ParameterId>(i));
    std::string name = infos[i].name;
    if (name.ends_with(".weight")) name.resize(name.size() - 7);
    names.push_back(name);
  }
  LayerChoice choice;
  for (const std::size_t c : match_names(names, config.include, config.exclude)) {
    const std::string why = why_left_alone(config, model, candidates[c], names[c]);
    if (why.empty())
      choice.layers.push_back(candidates[c]);
    else
      choice.left_alone.push_back(
          fmt::format("prune.group \"{}\" leaves layer {} alone: {}; name it in prune.include to prune it",
                      config.group.type, names[c], why));
  }
  if (choice.layers.empty())
    fail(ExitCode::config, "prune: include and exclude leave no layer to prune (the model has {}){}{}",
         fmt::join(names, ", "), choice.left_alone.empty() ? "" : "; ", fmt::join(choice.left_alone, "; "));
  return choice;
}

std::vector<ParameterId> prunable_layers(const PruneConfig& config, const Model& model) {
  return choose_layers(config, model).layers;
}

std::vector<Index> fisher_examples(const PruneConfig& config, const ImageSet& train,
                                   const std::vector<Index>& listed, std::uint64_t seed, int epoch,
                                   int step) {
  const Index needed = Index{config.num_grads} * config.grad_batch_size;
  std::vector<Index> examples = listed;
  if (examples.empty()) {
    if (needed > train.size())
      fail(ExitCode::config, "prune: num_grads x grad_batch_size is {}, the training set has {} examples",
           needed, train.size());
    examples = shuffled(train.size(), seed,
                        {static_cast<std::uint64_t>(config.fresh_examples ? 1 + epoch * 1000 + step : 0)});
  }
  if (static_cast<Index>(examples.size()) < needed)
    fail(ExitCode::config, "prune.index_file {} names {} examples; num_grads x grad_batch_size needs {}",
         config.index_file, examples.size(), needed);
  examples.resize(needed);
  for (const Index i : examples)
    if (i < 0 || i >= train.size())
      fail(ExitCode::data, "{}: example {} is not in the training set of {} images", config.index_file, i,
           train.size());
  return examples;
}

std::vector<Index> held_out_examples(const PruneConfig& config, const ImageSet& train,
                                     const std::vector<Index>& of_fisher, std::uint64_t seed, int epoch,
                                     int step) {
  std::vector<bool> used(train.size(), false);
  for (const Index i : of_fisher) used[i] = true;
  std::vector<Index> all =
      shuffled(train.size(), seed,
               {static_cast<std::uint64_t>(config.fresh_examples ? 1 + epoch * 1000 + step : 0), 1});
  std::vector<Index> others;
  for (const Index i : all)
    if (!used[i]) others.push_back(i);
  if (others.empty()) others = all;
  others.resize(std::min(others.size(), static_cast<std::size_t>(config.held_out_examples)));
  return others;
}

}  // namespace espalier
