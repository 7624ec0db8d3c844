#include "pruning/step/examples.h"

#include <algorithm>
#include <numeric>

#include "framework/core/random.h"
#include "framework/io/index_file.h"

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

std::vector<Index> fisher_examples(const PruneConfig& config, const ImageSet& train, StepKey key) {
  const Index needed = Index{config.num_grads} * config.grad_batch_size;
  std::vector<Index> examples;
  if (!config.index_file.empty()) {
    examples = read_index_file(config.index_file, "prune.index_file");
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
