#include "pruning/choice/groups.h"

namespace espalier {
namespace {

struct Unstructured final : GroupSettings {
  void fields(Fields&) override {}
  bool single() const override { return true; }
  std::vector<std::vector<Index>> sets(const LayerView&) const override { return {}; }
};

/// Runs of `size` weights along the axis
/// that the dot products run over (input channels), which is contiguous.
std::vector<std::vector<Index>> runs(const LayerView& layer, Index size, const char* group) {
  const Index inputs = layer.shape[-1];
  if (inputs % size != 0)
    fail(ExitCode::config,
         "prune.group \"{}\": layer {} of shape {} has {} inputs, "
         "not a multiple of {}; exclude it (prune.exclude)",
         group, layer.name, layer.shape, inputs, size);
  std::vector<std::vector<Index>> sets;
  for (Index first = layer.columns.begin; first < layer.columns.end; first += size) {
    std::vector<Index>& set = sets.emplace_back();
    for (Index k = 0; k < size; ++k) set.push_back(first + k);
  }
  return sets;
}

struct Pattern final : GroupSettings {
  int n = 2, m = 4;
  void fields(Fields& f) override {
    f("n", n, "weights kept of every m consecutive inputs", {.low = 1});
    f("m", m, "length of the run", {.low = 2, .high = 8});
    f.rule(n < m, fmt::format("n is {} and m is {}; n must be smaller", n, m));
  }
  std::vector<std::vector<Index>> sets(const LayerView& layer) const override {
    return runs(layer, m, "n_of_m");
  }
  Index leaving(Index size) const override { return size - n; }
};

struct Blocks final : GroupSettings {
  int size = 4;
  void fields(Fields& f) override {
    f("size", size, "consecutive inputs that leave together (block4: 1x4)", {.low = 2, .high = 256});
  }
  std::vector<std::vector<Index>> sets(const LayerView& layer) const override {
    return runs(layer, size, "block");
  }
};

struct Filters final : GroupSettings {
  void fields(Fields&) override {}
  std::vector<std::vector<Index>> sets(const LayerView& layer) const override {
    const Index outputs = layer.shape[0], size = layer.columns.size() / outputs;
    std::vector<std::vector<Index>> sets(outputs);
    for (Index q = 0; q < layer.columns.size(); ++q) sets[q / size].push_back(layer.columns.begin + q);
    return sets;
  }
};

struct Channels final : GroupSettings {
  void fields(Fields&) override {}
  std::vector<std::vector<Index>> sets(const LayerView& layer) const override {
    const Index inputs = layer.shape[-1];
    std::vector<std::vector<Index>> sets(inputs);
    for (Index q = 0; q < layer.columns.size(); ++q) sets[q % inputs].push_back(layer.columns.begin + q);
    return sets;
  }
};

const bool groups_known =
    Registry<GroupSettings>::add<Unstructured>("unstructured", "every weight on its own") &&
    Registry<GroupSettings>::add<Pattern>("n_of_m",
                                          "N:M sparsity: n of every m consecutive inputs stay (2:4)") &&
    Registry<GroupSettings>::add<Blocks>("block", "runs of consecutive inputs (block4)") &&
    Registry<GroupSettings>::add<Filters>("filter", "all weights of one output") &&
    Registry<GroupSettings>::add<Channels>("channel", "all weights of one input");

}  // namespace
}  // namespace espalier
