#include "framework/graph/json.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "framework/config/reader.h"
#include "framework/config/suggest.h"
#include "framework/config/writer.h"
#include "framework/graph/ops.h"

namespace espalier {

void StepSettings::choose(const std::string& op_type) {
  type = op_type;
  op = Registry<Op>::entries().at(op_type).make();
}

namespace {

class StepAccess final : public VariantAccess {
 public:
  explicit StepAccess(StepSettings& step) : step_(step) {}
  const char* tag() const override { return "op"; }
  std::vector<std::pair<std::string, std::string>> names() const override {
    std::vector<std::pair<std::string, std::string>> all;
    for (const auto& [name, entry] : Registry<Op>::entries()) all.emplace_back(name, entry.help);
    return all;
  }
  const std::string& type() const override { return step_.type; }
  void choose(const std::string& name) override { step_.choose(name); }
  void fields_of(const std::string& name, Fields& f) override {
    StepSettings fresh;
    fresh.choose(name);
    StepAccess(fresh).fields(f);
  }
  void fields(Fields& f) override {
    f("name", step_.name, "prefix of its parameters; empty: its position in the list");
    f("in", step_.in, "values it reads; empty: that of the step before, or the input");
    f("value", step_.value, "name of what it makes; empty: the step's name");
    step_.op->fields(f);
  }

 private:
  StepSettings& step_;
};

/// One step as it stands in the list, with all names filled in.
struct Listed {
  const StepSettings* settings;
  std::string name, value;
  std::vector<std::string> in;
};

std::vector<Listed> listed(const std::vector<StepSettings>& steps) {
  std::vector<Listed> all;
  std::string before = "input";
  for (const StepSettings& s : steps) {
    Listed l{&s, s.name.empty() ? std::to_string(all.size()) : s.name, s.value, s.in};
    if (l.value.empty()) l.value = l.name;
    if (l.in.empty()) l.in = {before};
    before = l.value;
    all.push_back(std::move(l));
  }
  return all;
}

void check_names(const std::vector<Listed>& steps) {
  std::map<std::string, const Listed*> maker{{"input", nullptr}};
  std::vector<std::string> known{"input"};
  for (const Listed& s : steps) {
    if (const auto [at, fresh] = maker.emplace(s.value, &s); !fresh)
      fail(ExitCode::config,
           "model: the value '{}' is defined twice: by {} and by step '{}'; give each a name of its own",
           s.value, at->second ? "step '" + at->second->name + "'" : "the network's input", s.name);
    known.push_back(s.value);
  }
  for (const Listed& s : steps)
    for (const std::string& in : s.in)
      if (!maker.contains(in))
        fail(ExitCode::config, "model: step '{}' ({}) reads the value '{}', which no step makes{}", s.name,
             s.settings->type, in, did_you_mean(in, known));
}

/// "'a' -> 'b' -> 'a'": follows inputs that can't be computed until a step comes back.
std::string a_cycle(const std::vector<Listed>& steps, const GraphBuilder& built) {
  const auto maker = [&](const std::string& value) {
    return std::find_if(steps.begin(), steps.end(), [&](const Listed& s) { return s.value == value; });
  };
  std::vector<std::string> path;
  auto at =
      std::find_if(steps.begin(), steps.end(), [&](const Listed& s) { return built.find(s.value) < 0; });
  while (std::find(path.begin(), path.end(), at->name) == path.end()) {
    path.push_back(at->name);
    at = maker(*std::find_if(at->in.begin(), at->in.end(),
                             [&](const std::string& in) { return built.find(in) < 0; }));
  }
  path.erase(path.begin(), std::find(path.begin(), path.end(), at->name));
  path.push_back(at->name);
  std::reverse(path.begin(), path.end());  // from a step to those that read it
  return fmt::format("'{}'", fmt::join(path, "' -> '"));
}

}  // namespace

void GraphSettings::fields(Fields& f) {
  f("input", input, "height, width and channels of the images it is for; empty: any", {.low = 1});
  StepSettings sample;
  StepAccess access(sample);
  f.required();
  f.variants(
      "steps", access, steps.size(), [&](std::size_t n) { steps.resize(n); },
      [&](std::size_t i) { return std::make_unique<StepAccess>(steps[i]); },
      "the steps, in any order; each reads values that others make");
  f("output", output, "the value that holds one number per class; empty: that of the last step");
}

Graph GraphSettings::build(const Shape& image) const {
  std::vector<int> given;
  for (int axis = 0; axis < image.rank(); ++axis) given.push_back(static_cast<int>(image[axis]));
  if (!input.empty() && input != given)
    fail(ExitCode::config, "model: it is for inputs of {{{}}}, and these are {}", fmt::join(input, ","),
         image);
  if (steps.empty()) fail(ExitCode::config, "model: a graph needs at least one step in \"steps\"");
  std::vector<Listed> waiting = listed(steps);
  check_names(waiting);
  const std::string result = output.empty() ? waiting.back().value : output;
  GraphBuilder net(image);
  while (!waiting.empty()) {  // always the first one that can be computed: a list in order stays in order
    const auto next = std::find_if(waiting.begin(), waiting.end(), [&](const Listed& s) {
      return std::all_of(s.in.begin(), s.in.end(), [&](const std::string& in) { return net.find(in) >= 0; });
    });
    if (next == waiting.end())
      fail(ExitCode::config, "model: steps read each other in a cycle: {}", a_cycle(waiting, net));
    std::vector<ValueId> inputs;
    for (const std::string& in : next->in) inputs.push_back(net.find(in));
    net.add(next->name, std::shared_ptr<const Op>(next->settings->op->clone()), inputs, next->value);
    waiting.erase(next);
  }
  const ValueId last = net.find(result);
  if (last < 0) {
    std::vector<std::string> known;
    for (const Value& v : net.graph().values) known.push_back(v.name);
    fail(ExitCode::config, "model: its output '{}' is made by no step{}", result,
         did_you_mean(result, known));
  }
  return net.finish({last});
}

std::string to_json(const Graph& graph) {
  require(graph.outputs.size() == 1, "[graph] JSON holds graphs of one output, this one has {}",
          graph.outputs.size());
  GraphSettings settings;
  const Shape& shape = graph.shape(graph.input);
  for (int axis = 0; axis < shape.rank(); ++axis) settings.input.push_back(static_cast<int>(shape[axis]));
  const auto name_of_value = [&](ValueId id) { return id == graph.input ? "input" : graph.value(id).name; };
  for (const Step& step : graph.steps) {
    StepSettings s;
    s.type = step.op->type();
    s.name = step.name;
    s.op = step.op->clone();
    for (const ValueId id : step.inputs) s.in.push_back(name_of_value(id));
    s.value = name_of_value(step.output);
    const Activation joined = s.op->joined() ? *s.op->joined() : Activation();
    if (joined) {
      *s.op->activation() = {};
      StepSettings function;
      function.op = std::make_unique<ActivationOp>(joined);
      function.type = function.op->type();
      function.name = step.name + "." + function.type;
      function.value = s.value;
      s.value = step.name + ".before";
      function.in = {s.value};
      settings.steps.push_back(std::move(s));
      settings.steps.push_back(std::move(function));
    } else {
      settings.steps.push_back(std::move(s));
    }
  }
  settings.output = name_of_value(graph.outputs[0]);
  return resolved_json(settings);
}

Graph from_json(const std::string& text, const std::string& name) {
  GraphSettings settings;
  read_config(JsonDocument::parse(text, name), settings);
  if (settings.input.empty()) fail(ExitCode::config, "{}: the graph's \"input\" shape is missing", name);
  Shape input;
  if (settings.input.size() == 1)
    input = {settings.input[0]};
  else if (settings.input.size() == 3)
    input = {settings.input[0], settings.input[1], settings.input[2]};
  else
    fail(ExitCode::config, "{}: input has {} extents; it must be {{height, width, channels}} or {{features}}",
         name, settings.input.size());
  return settings.build(input);
}

}  // namespace espalier
