#include "pruning/step/examples.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "framework/core/random.h"
#include "framework/io/atomic_file.h"

namespace espalier {
namespace {

std::vector<Index> shuffled(Index count, std::uint64_t seed, std::initializer_list<std::uint64_t> key) {
  std::vector<Index> examples(count);
  for (std::size_t i = 0; i < examples.size(); ++i) examples[i] = static_cast<Index>(i);
  Random(seed, Random::Use::fisher, key).shuffle(examples);
  return examples;
}

}  // namespace

std::vector<Index> read_indices(const std::string& path) {
  const auto json = nlohmann::json::parse(read_whole_file(path, ExitCode::data), nullptr, false);
  const auto& list = json.is_object() && json.contains("indices") ? json["indices"] : json;
  if (!list.is_array() || list.empty())
    fail(ExitCode::data,
         "{}: prune.index_file must hold a JSON list of example numbers, or an object with \"indices\"",
         path);
  std::vector<Index> indices;
  for (const auto& v : list) {
    if (!v.is_number_integer()) fail(ExitCode::data, "{}: {} is no example number", path, v.dump());
    indices.push_back(v.get<Index>());
  }
  return indices;
}

std::vector<ParameterId> prunable_layers(const PruneConfig& config, const Model& model) {
  const auto& infos = model.store().infos();
  std::vector<ParameterId> candidates, chosen;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < infos.size(); ++i) {
    if (infos[i].role != Role::weight) continue;
    candidates.push_back(static_cast<ParameterId>(i));
    std::string name = infos[i].name;
    if (name.ends_with(".weight")) name.resize(name.size() - 7);
    names.push_back(name);
  }
  for (const std::size_t c : match_names(names, config.include, config.exclude))
    chosen.push_back(candidates[c]);
  if (chosen.empty())
    fail(ExitCode::config, "prune: include and exclude leave no layer to prune (the model has {})",
         fmt::join(names, ", "));
  return chosen;
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
