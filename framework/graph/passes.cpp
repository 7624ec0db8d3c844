#include "framework/graph/passes.h"

#include <algorithm>
#include <cmath>

#include "framework/graph/ops.h"

namespace espalier {
namespace {

/// The step that makes each value, or -1.
std::vector<int> makers(const Graph& graph) {
  std::vector<int> maker(graph.values.size(), -1);
  for (std::size_t s = 0; s < graph.steps.size(); ++s) maker[graph.steps[s].output] = static_cast<int>(s);
  return maker;
}

void erase_steps(Graph& graph, const std::vector<bool>& gone) {
  std::vector<Step> kept;
  for (std::size_t s = 0; s < graph.steps.size(); ++s)
    if (!gone[s]) kept.push_back(std::move(graph.steps[s]));
  graph.steps = std::move(kept);
  drop_unused_values(graph);
}

}  // namespace

void drop_unused_values(Graph& graph) {
  std::vector<bool> used(graph.values.size(), false);
  used[graph.input] = true;
  for (const Step& step : graph.steps) {
    used[step.output] = true;
    for (const ValueId id : step.inputs) used[id] = true;
  }
  std::vector<ValueId> renamed(graph.values.size(), -1);
  std::vector<Value> kept;
  for (std::size_t id = 0; id < used.size(); ++id)
    if (used[id]) {
      renamed[id] = static_cast<ValueId>(kept.size());
      kept.push_back(std::move(graph.values[id]));
    }
  graph.values = std::move(kept);
  const auto rename = [&](ValueId& id) { id = renamed[id]; };
  rename(graph.input);
  for (ValueId& id : graph.outputs) rename(id);
  for (Step& step : graph.steps) {
    rename(step.output);
    for (ValueId& id : step.inputs) rename(id);
  }
}

Graph join_activations(const Graph& graph, Joined which) {
  Graph joined = graph;
  const std::vector<int> uses = graph.uses(), maker = makers(graph);
  std::vector<bool> gone(graph.steps.size(), false);
  for (std::size_t s = 0; s < graph.steps.size(); ++s) {
    const auto* op = dynamic_cast<const ActivationOp*>(graph.steps[s].op.get());
    const ValueId input = graph.steps[s].inputs[0];
    if (!op || maker[input] < 0 || uses[input] != 1) continue;
    if (which == Joined::fused && !fused(op->function)) continue;
    Step& before = joined.steps[maker[input]];
    if (!before.op->joined() || *before.op->joined()) continue;
    std::unique_ptr<Op> with = before.op->clone();
    *with->activation() = op->function;
    before.op = std::move(with);
    before.output = graph.steps[s].output;
    gone[s] = true;
  }
  erase_steps(joined, gone);
  return joined;
}

namespace {

/// Weight and bias such that they do the work of the batch norm that follows too. `bias` may be empty.
struct Folded {
  Tensor weight, bias;
  Folded(const Tensor& w, const Tensor& before, const Tensor& gamma, const Tensor& beta, const Tensor& mean,
         const Tensor& variance, double epsilon)
      : weight(Tensor::uninitialized(w.shape())), bias(Tensor::uninitialized(gamma.shape())) {
    const Index per_channel = w.shape().example_size();
    for (Index c = 0; c < gamma.size(); ++c) {
      const double deviation = std::sqrt(static_cast<double>(variance.data()[c]) + epsilon);
      const auto factor = static_cast<Real>(static_cast<double>(gamma.data()[c]) / deviation);
      const Real old = before.empty() ? Real(0) : before.data()[c];
      bias.data()[c] = beta.data()[c] + (old - mean.data()[c]) * factor;
      for (Index k = c * per_channel; k < (c + 1) * per_channel; ++k) weight.data()[k] = factor * w.data()[k];
    }
  }
};

/// A copy of a convolution or linear layer that has a bias; null for other ops.
std::unique_ptr<Op> with_bias(const Op& op) {
  std::unique_ptr<Op> copy;
  if (dynamic_cast<const ConvOp*>(&op)) {
    copy = op.clone();
    static_cast<ConvOp&>(*copy).bias = true;
  } else if (dynamic_cast<const LinearOp*>(&op)) {
    copy = op.clone();
    static_cast<LinearOp&>(*copy).bias = true;
  }
  return copy;
}

}  // namespace

std::pair<Graph, Weights> fold_batch_norm(const Graph& graph, const Weights& weights) {
  Graph folded = graph;
  Weights changed = weights;
  const std::vector<int> uses = graph.uses(), maker = makers(graph);
  std::vector<bool> gone(graph.steps.size(), false);
  for (std::size_t s = 0; s < graph.steps.size(); ++s) {
    const Step& norm = graph.steps[s];
    const auto* op = dynamic_cast<const BatchNormOp*>(norm.op.get());
    if (!op || maker[norm.inputs[0]] < 0 || uses[norm.inputs[0]] != 1) continue;
    Step& before = folded.steps[maker[norm.inputs[0]]];
    std::unique_ptr<Op> with = with_bias(*before.op);
    if (!with || *with->activation()) continue;
    const auto parameter = [&](const Step& step, std::size_t i) -> const Tensor& {
      return weights.at(graph.parameters[step.parameters[i]].name);
    };
    const auto statistic = [&](std::size_t i) -> const Tensor& {
      return weights.at(graph.statistics[norm.statistics[i]].name);
    };
    const bool had_bias = before.parameters.size() > 1;
    const Folded f(parameter(before, 0), had_bias ? parameter(before, 1) : Tensor(), parameter(norm, 0),
                   parameter(norm, 1), statistic(0), statistic(1), op->epsilon);
    // The shift of the batch norm serves as the bias of a layer that had none.
    if (!had_bias) {
      before.parameters.push_back(norm.parameters[1]);
      ParameterSpec& shift = folded.parameters[norm.parameters[1]];
      changed.tensors.erase(shift.name);
      shift = {before.name + ".bias", shift.shape, Role::bias, shift.init};
    }
    changed.tensors[folded.parameters[before.parameters[0]].name] = f.weight;
    changed.tensors[folded.parameters[before.parameters[1]].name] = f.bias;
    *with->activation() = op->joined_activation;
    before.op = std::move(with);
    before.output = norm.output;
    gone[s] = true;
  }
  erase_steps(folded, gone);
  drop_unused_parameters(folded, changed);
  return {std::move(folded), std::move(changed)};
}

void drop_unused_parameters(Graph& graph, Weights& weights) {
  const auto keep_used = [&](auto& specs, auto list_of) {
    std::vector<int> renamed(specs.size(), -1);
    for (const Step& step : graph.steps)
      for (const int p : step.*list_of) renamed[p] = 0;
    std::remove_reference_t<decltype(specs)> kept;
    for (std::size_t p = 0; p < specs.size(); ++p) {
      if (renamed[p] < 0) {
        weights.tensors.erase(specs[p].name);
        continue;
      }
      renamed[p] = static_cast<int>(kept.size());
      kept.push_back(std::move(specs[p]));
    }
    specs = std::move(kept);
    for (Step& step : graph.steps)
      for (int& p : step.*list_of) p = renamed[p];
  };
  keep_used(graph.parameters, &Step::parameters);
  keep_used(graph.statistics, &Step::statistics);
}

Graph drop_identities(const Graph& graph) {
  Graph kept = graph;
  std::vector<ValueId> same_as(graph.values.size());
  for (std::size_t id = 0; id < same_as.size(); ++id) same_as[id] = static_cast<ValueId>(id);
  std::vector<bool> gone(graph.steps.size(), false);
  for (std::size_t s = 0; s < kept.steps.size(); ++s) {
    Step& step = kept.steps[s];
    for (ValueId& id : step.inputs) id = same_as[id];
    const Op* op = step.op.get();
    const Shape& in = kept.shape(step.inputs[0]);
    // A linear layer reads the same memory either way; other ops ask for features.
    const auto reads = [&](const Step& reader) {
      return std::count(reader.inputs.begin(), reader.inputs.end(), graph.steps[s].output) > 0;
    };
    const auto indifferent = [&](const Step& reader) {
      return !reads(reader) || dynamic_cast<const LinearOp*>(reader.op.get());
    };
    const bool moves_nothing =
        in.rank() == 1 ||
        ((in[2] == 1 || in[0] * in[1] == 1) &&
         std::all_of(graph.steps.begin(), graph.steps.end(), indifferent) &&
         std::count(graph.outputs.begin(), graph.outputs.end(), graph.steps[s].output) == 0);
    if (!dynamic_cast<const DropoutOp*>(op) && !(dynamic_cast<const FlattenOp*>(op) && moves_nothing))
      continue;
    gone[s] = true;
    same_as[step.output] = step.inputs[0];
  }
  for (ValueId& id : kept.outputs) id = same_as[id];
  erase_steps(kept, gone);
  return kept;
}

bool piecewise_linear_in(const Graph& graph, int parameter) {
  std::vector<bool> depends(graph.values.size(), false);
  for (const Step& step : graph.steps) {
    std::vector<bool> in;
    for (const ValueId id : step.inputs) in.push_back(depends[id]);
    const bool through = std::find(in.begin(), in.end(), true) != in.end();
    const bool own =
        std::find(step.parameters.begin(), step.parameters.end(), parameter) != step.parameters.end();
    if (through && !step.op->piecewise_linear(in)) return false;
    if ((through || own) && step.op->joined() && !piecewise_linear(step.op->joined()->kind)) return false;
    depends[step.output] = through || own;
  }
  return true;
}

std::vector<StepCost> count(const Graph& graph) {
  std::vector<StepCost> costs;
  for (const Step& step : graph.steps) {
    StepCost cost{step.op->macs(graph.shapes(step)), 0, graph.shape(step.output).size()};
    for (const int p : step.parameters) cost.parameters += graph.parameters[p].shape.size();
    costs.push_back(cost);
  }
  return costs;
}

}  // namespace espalier
