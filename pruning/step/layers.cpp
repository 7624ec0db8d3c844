#include "pruning/step/layers.h"

#include "pruning/choice/layer_names.h"

namespace espalier {
namespace {

LayerView view_of(const Model& model, ParameterId id, std::string name, Index first_column) {
  const ParameterInfo& info = model.store().infos()[id];
  LayerView view{.name = std::move(name),
                 .columns = {first_column, first_column + info.range.size()},
                 .shape = info.shape};
  for (const LayerCost& cost : model.costs())
    if (cost.weight == id)
      view.macs_per_weight = static_cast<double>(cost.macs) / static_cast<double>(info.range.size());
  return view;
}

}  // namespace

PrunableLayers::PrunableLayers(const PruneConfig& config, const Model& model) {
  const auto& infos = model.store().infos();
  std::vector<ParameterId> candidates;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < infos.size(); ++i) {
    if (infos[i].role != Role::weight) continue;
    candidates.push_back(static_cast<ParameterId>(i));
    names.push_back(infos[i].layer());
  }
  for (const std::size_t c : match_names(names, config.include, config.exclude)) {
    ids.push_back(candidates[c]);
    views.push_back(view_of(model, candidates[c], names[c], columns.empty() ? 0 : columns.back().end));
    columns.push_back(views.back().columns);
    places.push_back(infos[candidates[c]].range);
  }
  if (ids.empty())
    fail(ExitCode::config, "prune: include and exclude leave no layer to prune (the model has {})",
         fmt::join(names, ", "));
}

std::vector<double> PrunableLayers::gather(std::span<const Real> flat) const {
  std::vector<double> values;
  for (const Range place : places)
    values.insert(values.end(), flat.begin() + place.begin, flat.begin() + place.end);
  return values;
}

std::vector<bool> PrunableLayers::pruned(const ParameterStore& store) const {
  std::vector<bool> set;
  for (const double m : gather(store.mask())) set.push_back(m == 0);
  return set;
}

void PrunableLayers::put(ParameterStore& store, std::span<const double> w, const std::vector<bool>& removed,
                         std::span<const double> delta) const {
  std::size_t q = 0;
  for (const Range place : places)
    for (Index at = place.begin; at < place.end; ++at, ++q) {
      store.values()[at] = removed[q] ? Real(0) : static_cast<Real>(w[q] + (delta.empty() ? 0 : delta[q]));
      store.mask()[at] = removed[q] ? Real(0) : Real(1);
    }
}

}  // namespace espalier
