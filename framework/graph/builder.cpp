#include "framework/graph/builder.h"

#include <algorithm>

namespace espalier {
namespace {

/// "inputs 'a' {8,8,16} and 'b' {8,8,32}"
std::string describe(const Graph& graph, const std::vector<ValueId>& inputs) {
  std::string text = inputs.size() == 1 ? "input " : "inputs ";
  for (std::size_t i = 0; i < inputs.size(); ++i)
    text += fmt::format("{}'{}' {}",
                        i == 0                   ? ""
                        : i + 1 == inputs.size() ? " and "
                                                 : ", ",
                        graph.value(inputs[i]).name, graph.shape(inputs[i]));
  return text;
}

std::string expected(const Arity& arity) {
  if (arity.least == arity.most) return fmt::format("{}", arity.least);
  if (arity.most == any_number) return fmt::format("{} or more", arity.least);
  return fmt::format("{} to {}", arity.least, arity.most);
}

}  // namespace

ValueId GraphBuilder::find(const std::string& value) const {
  const auto found = std::find_if(graph_.values.begin(), graph_.values.end(),
                                  [&](const Value& v) { return v.name == value; });
  return found == graph_.values.end() ? -1 : static_cast<ValueId>(found - graph_.values.begin());
}

ValueId GraphBuilder::new_value(const std::string& name, const Shape& shape) {
  if (const ValueId other = find(name); other >= 0)
    fail(ExitCode::config, "model: the value '{}' {} is defined twice; give each a name of its own", name,
         other == graph_.input ? "(the input)" : "of another step");
  graph_.values.push_back({name, shape});
  return last();
}

ValueId GraphBuilder::input(const std::string& name, const Shape& shape) {
  require(graph_.input < 0, "[graph] has one input, but a second is declared: '{}'", name);
  return graph_.input = new_value(name, shape);
}

ValueId GraphBuilder::add(const std::string& name, std::shared_ptr<const Op> op,
                          const std::vector<ValueId>& inputs, const std::string& value) {
  if (!step_names_.insert(name).second)
    fail(ExitCode::config, "model: two steps are named '{}'; give each a \"name\" of its own", name);
  const std::string what = fmt::format("model: step '{}' ({})", name, op->type());
  const Arity arity = op->arity();
  const auto count = static_cast<int>(inputs.size());
  for (const ValueId id : inputs) require(id >= 0 && id <= last(), "[graph] {} reads no value {}", what, id);
  if (count < arity.least || count > arity.most)
    fail(ExitCode::config, "{} has {} inputs; it takes {}", what, count, expected(arity));
  Step step{name, op, inputs, -1, {}, {}};
  const std::vector<Shape> shapes = graph_.shapes(step);
  try {
    step.output = new_value(value.empty() ? name : value, op->shape(shapes));
    for (ParameterSpec& p : op->parameters(shapes)) {
      step.parameters.push_back(static_cast<int>(graph_.parameters.size()));
      p.name = name + "." + p.name;
      graph_.parameters.push_back(std::move(p));
    }
    for (StatisticSpec& s : op->statistics(shapes)) {
      step.statistics.push_back(static_cast<int>(graph_.statistics.size()));
      s.name = name + "." + s.name;
      graph_.statistics.push_back(std::move(s));
    }
  } catch (const Error& e) {
    const std::string text = e.what();
    if (text.starts_with("model: ")) throw;
    throw Error(e.code() == ExitCode::internal ? ExitCode::config : e.code(),
                fmt::format("{} {}; {}", what, text, describe(graph_, inputs)));
  }
  graph_.steps.push_back(std::move(step));
  return last();
}

Graph GraphBuilder::finish(const std::vector<ValueId>& outputs) {
  require(graph_.input >= 0 && !outputs.empty(), "[graph] needs an input and an output");
  graph_.outputs = outputs;
  const std::vector<int> uses = graph_.uses();
  for (std::size_t id = 0; id < uses.size(); ++id)
    if (uses[id] == 0)
      fail(ExitCode::config, "model: no step reads the value '{}' {}, and it is no output; remove {}",
           graph_.values[id].name, graph_.values[id].shape,
           static_cast<ValueId>(id) == graph_.input ? "nothing: the input must be used" : "its step");
  return std::move(graph_);
}

Graph for_input(const Graph& graph, const Shape& shape) {
  GraphBuilder net;
  std::vector<ValueId> moved(graph.values.size(), -1);
  moved[graph.input] = net.input(graph.value(graph.input).name, shape);
  for (const Step& step : graph.steps) {
    std::vector<ValueId> inputs;
    for (const ValueId id : step.inputs) inputs.push_back(moved[id]);
    moved[step.output] = net.add(step.name, step.op, inputs, graph.value(step.output).name);
    const Step& same = net.graph().steps.back();
    for (std::size_t p = 0; p < step.parameters.size(); ++p) {
      const ParameterSpec &before = graph.parameters[step.parameters[p]],
                          &now = net.graph().parameters[same.parameters[p]];
      if (now.shape != before.shape)
        fail(ExitCode::config, "inputs of {} make {} {} of what is {}; the network takes {}", shape, now.name,
             now.shape, before.shape, graph.shape(graph.input));
    }
  }
  std::vector<ValueId> outputs;
  for (const ValueId id : graph.outputs) outputs.push_back(moved[id]);
  return net.finish(outputs);
}

}  // namespace espalier
