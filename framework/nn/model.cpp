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
  for (const Step& step : graph_.steps) {
    const auto weight = std::find_if(step.parameters.begin(), step.parameters.end(),
                                     [&](int p) { return graph_.parameters[p].role == Role::weight; });
    if (weight == step.parameters.end()) continue;
    const auto* conv = dynamic_cast<const ConvOp*>(step.op.get());
    costs_.push_back({*weight, step.op->macs(graph_.shapes(step)), batch_of_one(graph_.shape(step.output)),
                      conv ? conv->spec() : Conv2dSpec{}});
  }
}

Var Model::forward(const Var& images, Pass& pass) const {
  const Shape& s = images.shape();
  require(s.rank() == 4 && Shape{s[1], s[2], s[3]} == image(), "[model] takes images [n, {}, {}, {}], got {}",
          image()[0], image()[1], image()[2], s);
  std::vector<Var> values(joined_.values.size()), inputs;
  values[joined_.input] = images;
  for (std::size_t i = 0; i < joined_.steps.size(); ++i) {
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
  }
  return values[joined_.outputs[0]];
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
  }
}

Index Model::examples_in_cache() const {
  Index largest = image().size();
  for (const LayerCost& cost : costs_) largest = std::max(largest, cost.output.size());
  constexpr Index values = (Index{1} << 20) / static_cast<Index>(sizeof(Real));
  return std::max<Index>(8, values / largest);
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
