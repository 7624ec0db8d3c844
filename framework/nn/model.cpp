#include "framework/nn/model.h"

#include <algorithm>
#include <numeric>

#include "framework/graph/passes.h"

namespace espalier {
namespace {

Shape batch_of_one(const Shape& s) { return s.rank() == 3 ? Shape{1, s[0], s[1], s[2]} : Shape{1, s[0]}; }

}  // namespace

Model::Model(Graph graph, int classes, std::uint64_t seed)
    : graph_(std::move(graph)), joined_(join_activations(graph_)), classes_(classes) {
  require(graph_.outputs.size() == 1, "[model] a network has one output, not {}", graph_.outputs.size());
  const Value& output = graph_.value(graph_.outputs[0]);
  if (output.shape != Shape{classes})
    fail(
        ExitCode::config,
        "model: its output '{}' has shape {} for one example; {} classes need {}. \"new_head\": true gives it a fresh "
        "classifier for them",
        output.name, output.shape, classes, Shape{classes});
  for (ParameterSpec& p : graph_.parameters) store_.declare(p.name, p.shape, p.role, p.init);
  for (StatisticSpec& s : graph_.statistics) store_.declare_statistic(s.name, s.size, s.initial);
  store_.allocate(seed);
  for (Graph* g : {&graph_, &joined_})  // drawn for good; those of an ONNX file hold all its weights
    for (ParameterSpec& p : g->parameters) p.init = nullptr;

  std::vector<bool> read_later(joined_.values.size(), false);
  read_later[joined_.outputs[0]] = true;
  prepared_.resize(joined_.steps.size());
  for (std::size_t s = prepared_.size(); s-- > 0;) {
    const Step& step = joined_.steps[s];
    for (const int p : step.parameters) prepared_[s].parameters.push_back(store_.var(p));
    prepared_[s].trained = prepared_[s].parameters;
    for (const int p : step.statistics) prepared_[s].statistics.push_back(store_.statistic(p));
    for (const ValueId id : step.inputs) {
      if (!read_later[id]) prepared_[s].last_read.push_back(id);
      read_later[id] = true;
    }
  }
  const auto steps = static_cast<Index>(joined_.steps.size());
  alive_before_.assign(steps, -1);
  std::vector<Index> last_reader(joined_.values.size(), -1), made_by(joined_.values.size(), -1);
  for (Index s = 0; s < steps; ++s) {
    made_by[joined_.steps[s].output] = s;
    for (const ValueId id : joined_.steps[s].inputs) last_reader[id] = s;
  }
  last_reader[joined_.outputs[0]] = steps;
  for (Index s = 0; s < steps; ++s) {
    int alive = 0;
    for (std::size_t id = 0; id < joined_.values.size(); ++id)
      if (made_by[id] < s && last_reader[id] >= s && ++alive == 1)
        alive_before_[s] = static_cast<ValueId>(id);
    if (alive != 1) alive_before_[s] = -1;
  }
  for (const bool training : {false, true}) {
    std::vector<bool>& kept = kept_[training ? 1 : 0];
    kept.assign(joined_.values.size(), false);
    kept[joined_.input] = kept[joined_.outputs[0]] = true;
    for (const Step& step : joined_.steps) {
      const Reads reads = step.op->reads({.training = training});
      if (reads.output) kept[step.output] = true;
      if (reads.inputs)
        for (const ValueId id : step.inputs) kept[id] = true;
    }
  }
  for (const Step& step : graph_.steps) {
    const auto weight = std::find_if(step.parameters.begin(), step.parameters.end(),
                                     [&](int p) { return graph_.parameters[p].role == Role::weight; });
    if (weight == step.parameters.end()) continue;
    const auto* conv = dynamic_cast<const ConvOp*>(step.op.get());
    costs_.push_back({*weight, step.op->macs(graph_.shapes(step)), batch_of_one(graph_.shape(step.output)),
                      conv ? conv->spec() : Conv2dSpec{}});
  }
}

Var Model::run(Range steps, const Var& from, Pass& pass) const {
  const Shape& s = from.shape();
  const bool whole = steps.begin == 0;
  require(!whole || (s.rank() == 4 && Shape{s[1], s[2], s[3]} == image()),
          "[model] takes images [n, {}, {}, {}], got {}", image()[0], image()[1], image()[2], s);
  const std::vector<bool>& kept = kept_[pass.training ? 1 : 0];
  std::vector<Var> values(joined_.values.size()), inputs;
  values[whole ? joined_.input : alive_before_[steps.begin]] = from;
  for (Index i = steps.begin; i < steps.end; ++i) {
    const Step& step = joined_.steps[i];
    inputs.clear();
    for (const ValueId id : step.inputs) inputs.push_back(values[id]);
    // What nobody reads again is let go, so that its memory serves the next step.
    for (const ValueId id : prepared_[i].last_read) values[id] = Var();
    const Prepared& own = prepared_[i];
    Pass still = pass;
    still.training &= !(own.frozen && !own.statistics.empty());
    values[step.output] = step.op->apply(
        inputs, {step.name, pass.training ? own.trained : own.parameters, own.statistics}, still);
    for (const ValueId id : own.last_read)
      if (!kept[id])
        inputs[std::find(step.inputs.begin(), step.inputs.end(), id) - step.inputs.begin()].forget_values();
  }
  return values[joined_.steps[steps.end - 1].output];
}

Index Model::recorded_values(Range steps, bool training) const {
  Index values = 0;
  for (Index i = steps.begin; i < steps.end; ++i) {
    const Step& step = joined_.steps[i];
    const Index size = joined_.shape(step.output).size();
    if (is_kept(step.output, training)) values += size;
    if (dynamic_cast<const MaxPoolOp*>(step.op.get())) values += size;
  }
  return values;
}

void Model::set_rates(const std::vector<double>& factors) {
  require(factors.size() == store_.infos().size(), "[model] {} rates for {} parameters", factors.size(),
          store_.infos().size());
  for (std::size_t p = 0; p < factors.size(); ++p) store_.set_rate(static_cast<ParameterId>(p), factors[p]);
  for (std::size_t s = 0; s < prepared_.size(); ++s) {
    const std::vector<int>& own = joined_.steps[s].parameters;
    const auto is_frozen = [&](int p) { return factors[p] == 0; };
    for (std::size_t i = 0; i < own.size(); ++i)
      prepared_[s].trained[i] = is_frozen(own[i]) ? Var(store_.var(own[i]).value()) : store_.var(own[i]);
    prepared_[s].frozen = !own.empty() && std::all_of(own.begin(), own.end(), is_frozen);
    if (!prepared_[s].frozen) continue;
    const Step& step = joined_.steps[s];  // batch norm's rules are those of evaluation then
    const Reads reads = step.op->reads({.training = false});
    if (reads.output) kept_[1][step.output] = true;
    for (const ValueId id : step.inputs)
      if (reads.inputs) kept_[1][id] = true;
  }
}

Index Model::examples_in_cache() const {
  Index largest = image().size();
  for (const LayerCost& cost : costs_) largest = std::max(largest, cost.output.size());
  constexpr Index values = (Index{1} << 20) / static_cast<Index>(sizeof(Real)), most = 256 * values;
  const Index least = std::clamp<Index>(most / std::max<Index>(recorded_values(false), 1), 1, 8);
  return std::max(least, values / largest);
}

ParameterId classifier(const Model& model) {
  if (model.costs().empty()) return -1;
  const ParameterId last = model.costs().back().weight;
  return model.store().infos()[last].shape[0] == model.classes() ? last : -1;
}

Index Model::macs() const {
  const std::vector<StepCost> costs = count(graph_);
  return std::accumulate(costs.begin(), costs.end(), Index{0},
                         [](Index sum, const StepCost& cost) { return sum + cost.macs; });
}

}  // namespace espalier
