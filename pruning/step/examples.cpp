#include "pruning/step/examples.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "framework/core/random.h"
#include "framework/io/atomic_file.h"

namespace espalier {
namespace {

/// The examples of a set of `count`, in an order drawn by `random`.
std::vector<Index> shuffled(Index count, Random random) {
  std::vector<Index> examples(count);
  std::iota(examples.begin(), examples.end(), Index{0});
  random.shuffle(examples);
  return examples;
}

std::uint64_t number_of(const PruneConfig& config, StepKey key) {
  return static_cast<std::uint64_t>(config.fresh_examples ? 1 + key.epoch * 1000 + key.step : 0);
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

std::vector<Index> fisher_examples(const PruneConfig& config, const ImageSet& train, StepKey key) {
  const Index needed = Index{config.num_grads} * config.grad_batch_size;
  std::vector<Index> examples;
  if (!config.index_file.empty()) {
    examples = read_indices(config.index_file);
  } else {
    if (needed > train.size())
      fail(ExitCode::config, "prune: num_grads x grad_batch_size is {}, the training set has {} examples",
           needed, train.size());
    examples = shuffled(train.size(), Random(key.seed, Random::Use::fisher, {number_of(config, key)}));
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
                                     const std::vector<Index>& of_fisher, StepKey key) {
  std::vector<bool> used(train.size(), false);
  for (const Index i : of_fisher) used[i] = true;
  const std::vector<Index> all =
      shuffled(train.size(), Random(key.seed, Random::Use::fisher, {number_of(config, key), 1}));
  std::vector<Index> others;
  for (const Index i : all)
    if (!used[i]) others.push_back(i);
  if (others.empty()) others = all;
  others.resize(std::min(others.size(), static_cast<std::size_t>(config.held_out_examples)));
  return others;
}

}  // namespace espalier
