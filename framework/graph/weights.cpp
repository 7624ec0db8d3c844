#include "framework/graph/weights.h"

namespace espalier {

const Tensor& Weights::at(const std::string& name) const {
  const auto found = tensors.find(name);
  require(found != tensors.end(), "[weights] there is no tensor '{}'", name);
  return found->second;
}

void check_weights(const Graph& graph, const Weights& weights) {
  const auto check = [&](const std::string& name, const Shape& shape) {
    require(weights.at(name).shape() == shape, "[weights] '{}' has shape {}, the graph needs {}", name,
            weights.at(name).shape(), shape);
  };
  for (const ParameterSpec& p : graph.parameters) check(p.name, p.shape);
  for (const StatisticSpec& s : graph.statistics) check(s.name, {s.size});
}

}  // namespace espalier
