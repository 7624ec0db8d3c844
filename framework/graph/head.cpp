#include "framework/graph/head.h"

#include <algorithm>
#include <map>

#include "framework/graph/builder.h"
#include "framework/graph/init.h"
#include "framework/graph/ops.h"

namespace espalier {

std::size_t head_of(const Graph& graph) {
  ValueId at = graph.outputs[0];
  while (true) {
    const auto maker =
        std::find_if(graph.steps.begin(), graph.steps.end(), [&](const Step& s) { return s.output == at; });
    if (maker == graph.steps.end())
      fail(ExitCode::config, "new_head: the network's output does not come from a layer with weights");
    const Op& op = *maker->op;
    if (dynamic_cast<const LinearOp*>(&op) || dynamic_cast<const ConvOp*>(&op))
      return static_cast<std::size_t>(maker - graph.steps.begin());
    const bool passes_on = dynamic_cast<const ActivationOp*>(&op) || dynamic_cast<const DropoutOp*>(&op) ||
                           dynamic_cast<const GlobalAveragePoolOp*>(&op) ||
                           dynamic_cast<const AveragePoolOp*>(&op) || dynamic_cast<const FlattenOp*>(&op);
    if (!passes_on)
      fail(
          ExitCode::config,
          "new_head: the network's output comes from step '{}' ({}), behind which no single layer is the classifier; "
          "a linear layer or a convolution is wanted, with activations, poolings and flatten behind it at most",
          maker->name, op.type());
    at = maker->inputs[0];
  }
}

std::set<std::string> head_parameters(const Graph& graph) {
  std::set<std::string> names;
  for (const int p : graph.steps[head_of(graph)].parameters) names.insert(graph.parameters[p].name);
  return names;
}

Graph with_new_head(const Graph& graph, int classes) {
  const std::size_t head = head_of(graph);
  std::map<std::string, Initializer> initial;
  for (const ParameterSpec& p : graph.parameters) initial[p.name] = p.init;
  GraphBuilder builder;
  std::vector<ValueId> ids(graph.values.size(), -1);
  const Value& input = graph.value(graph.input);
  ids[graph.input] = builder.input(input.name, input.shape);
  for (std::size_t s = 0; s < graph.steps.size(); ++s) {
    const Step& step = graph.steps[s];
    std::shared_ptr<const Op> op = step.op;
    if (s == head) {
      const std::unique_ptr<Op> own = step.op->clone();
      if (auto* linear = dynamic_cast<LinearOp*>(own.get())) {
        linear->out = classes;
        linear->init = Init::glorot;
      } else {
        auto& conv = dynamic_cast<ConvOp&>(*own);
        if (conv.groups != 1)
          fail(ExitCode::config,
               "new_head: the classifier '{}' is a convolution of {} groups, which cannot have {} classes",
               step.name, conv.groups, classes);
        conv.out = classes;
      }
      op = own->clone();
    }
    std::vector<ValueId> inputs;
    for (const ValueId id : step.inputs) inputs.push_back(ids[id]);
    ids[step.output] = builder.add(step.name, op, inputs, graph.value(step.output).name);
  }
  std::vector<ValueId> outputs;
  for (const ValueId id : graph.outputs) outputs.push_back(ids[id]);
  Graph made = builder.finish(outputs);
  const std::set<std::string> fresh = head_parameters(made);
  for (ParameterSpec& p : made.parameters) {
    if (!fresh.contains(p.name))
      p.init = initial.at(p.name);
    else if (p.role == Role::weight)
      p.init = glorot_uniform(p.shape.size() / p.shape[0], p.shape[0]);
  }
  return made;
}

}  // namespace espalier
