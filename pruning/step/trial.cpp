#include "pruning/step/trial.h"

#include "pruning/rows/gradient_matrix.h"

namespace espalier {

std::vector<double> gather(std::span<const Real> values, const ParameterStore& store,
                           std::span<const ParameterId> layers) {
  std::vector<double> w;
  for (const ParameterId id : layers) {
    const Range r = store.infos()[id].range;
    w.insert(w.end(), values.begin() + r.begin, values.begin() + r.end);
  }
  return w;
}

void put_decision(ParameterStore& store, std::span<const ParameterId> layers, std::span<const double> w,
                  const std::vector<bool>& removed, std::span<const double> delta) {
  std::size_t q = 0;
  for (const ParameterId layer : layers) {
    const Range r = store.infos()[layer].range;
    for (auto at = static_cast<std::size_t>(r.begin); at < static_cast<std::size_t>(r.end); ++at, ++q) {
      store.values()[at] = removed[q] ? Real(0) : static_cast<Real>(w[q] + delta[q]);
      store.mask()[at] = removed[q] ? Real(0) : Real(1);
    }
  }
}

std::vector<LayerView> layer_views(const Model& model, std::span<const ParameterId> layers) {
  std::vector<LayerView> views;
  Index column = 0;
  for (const ParameterId id : layers) {
    const ParameterInfo& info = model.store().infos()[id];
    LayerView view{.name = info.name, .columns = {column, column + info.range.size()}, .shape = info.shape};
    if (view.name.ends_with(".weight")) view.name.resize(view.name.size() - 7);
    for (const LayerCost& cost : model.costs())
      if (cost.weight == id)
        view.macs_per_weight = static_cast<double>(cost.macs) / static_cast<double>(info.range.size());
    column = view.columns.end;
    views.push_back(std::move(view));
  }
  return views;
}

Trial::Trial(Model& model, std::span<const ParameterId> layers, const ImageSet& set,
             const Preprocessing& preprocessing, std::vector<Index> examples)
    : model_(model), set_(set), preprocessing_(preprocessing), examples_(std::move(examples)) {
  for (const ParameterId id : layers) places_.push_back(model.store().infos()[id].range);
}

double Trial::loss(std::span<const double> delta) {
  return loss_of_part(delta, {0, static_cast<Index>(delta.size())});
}

double Trial::loss_of_part(std::span<const double> delta, Range range) {
  const std::span<Real> values = model_.store().values();
  const std::vector<Real> before(values.begin(), values.end());
  struct Restore {
    std::span<Real> to;
    const std::vector<Real>& from;
    ~Restore() { std::copy(from.begin(), from.end(), to.begin()); }
  } restore{values, before};
  Index column = 0;
  for (const Range place : places_)
    for (Index i = place.begin; i < place.end && !delta.empty(); ++i, ++column)
      if (column >= range.begin && column < range.end) {
        Real& w = values[i];
        w = static_cast<Real>(static_cast<double>(w) + delta[column]);
      }
  return mean_loss(model_, set_, preprocessing_, examples_);
}

}  // namespace espalier
