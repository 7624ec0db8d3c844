#include "framework/graph/graph.h"

namespace espalier {

std::vector<Shape> Graph::shapes(const Step& step) const {
  std::vector<Shape> all;
  for (const ValueId id : step.inputs) all.push_back(shape(id));
  return all;
}

std::vector<int> Graph::uses() const {
  std::vector<int> count(values.size(), 0);
  for (const Step& step : steps)
    for (const ValueId id : step.inputs) ++count[id];
  for (const ValueId id : outputs) ++count[id];
  return count;
}

}  // namespace espalier
