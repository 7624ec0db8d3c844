#include "tools/run/network_table.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "framework/graph/passes.h"
#include "framework/infer/engine.h"
#include "framework/io/progress.h"
#include "framework/io/table.h"

namespace espalier {
namespace {

constexpr double bytes = 4;  // of a value in float32

/// "conv + relu", and what it reads where that is not the step before.
std::string describe(const Graph& graph, std::size_t at) {
  const Step& step = graph.steps[at];
  std::string text = step.op->type();
  if (step.op->joined() && *step.op->joined()) text += std::string(" + ") + name_of(step.op->joined()->kind);
  const ValueId before = at == 0 ? graph.input : graph.steps[at - 1].output;
  if (step.inputs == std::vector{before}) return text;
  std::vector<std::string> read;
  for (const ValueId id : step.inputs) {
    const auto maker = std::find_if(graph.steps.begin(), graph.steps.end(),
                                    [&](const Step& other) { return other.output == id; });
    read.push_back(maker == graph.steps.end() ? graph.value(id).name : maker->name);
  }
  return fmt::format("{} of {}", text, fmt::join(read, ", "));
}

/// Weights that can be pruned, and those that are.
struct Sparsity {
  Index weights = 0, pruned = 0;
  void add(const ParameterStore& store, int parameter) {
    const ParameterInfo& info = store.infos()[parameter];
    if (info.role != Role::weight) return;
    weights += info.range.size();
    for (Index i = info.range.begin; i < info.range.end; ++i) pruned += store.mask()[i] == 0;
  }
  std::string str() const {
    if (weights == 0) return "";
    return fmt::format("{:.2f} %", 100.0 * static_cast<double>(pruned) / static_cast<double>(weights));
  }
};

std::string number(Index n) { return n == 0 ? "" : format_count(n); }

}  // namespace

std::string network_table(const Model& model) {
  const Graph graph = join_activations(model.graph(), Joined::all);
  const std::vector<StepCost> costs = count(graph);
  Table table(
      {"step", "op", "output", "parameters", "sparsity", "multiply-adds", "memory"},
      {Align::left, Align::left, Align::left, Align::right, Align::right, Align::right, Align::right});
  table.add({graph.value(graph.input).name, "", model.image().str(), "", "", "",
             format_bytes(bytes * static_cast<double>(model.image().size()))});
  StepCost sum;
  Sparsity all;
  for (std::size_t s = 0; s < graph.steps.size(); ++s) {
    const Step& step = graph.steps[s];
    Sparsity own;
    for (const int p : step.parameters) own.add(model.store(), p), all.add(model.store(), p);
    table.add({step.name, describe(graph, s), graph.shape(step.output).str(), number(costs[s].parameters),
               own.str(), number(costs[s].macs),
               format_bytes(bytes * static_cast<double>(costs[s].parameters + costs[s].output))});
    sum.macs += costs[s].macs;
    sum.parameters += costs[s].parameters;
    sum.output += costs[s].output;
  }
  table.rule();
  table.add({"all", "", "", number(sum.parameters), all.str(), number(sum.macs),
             format_bytes(bytes * static_cast<double>(sum.parameters + sum.output))});
  const Engine engine(model.graph(), weights_of(model.store()));
  return table.str("  ") +
         fmt::format(
             "\n  Memory: parameters and the output for one image. An engine keeps {} of an image at a time, as "
             "values take the place of others.\n",
             format_bytes(bytes * static_cast<double>(engine.buffers().size)));
}

}  // namespace espalier
