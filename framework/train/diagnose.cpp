#include "framework/train/diagnose.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace espalier {
namespace {

/// Values that were let go count as finite: what they made is looked at next.
bool finite(const Tensor& t) {
  return t.empty() ||
         std::all_of(t.values().begin(), t.values().end(), [](Real v) { return std::isfinite(v); });
}

void collect(const Var& v, std::set<Node*>& seen) {
  if (v.empty() || !seen.insert(v.node()).second) return;
  for (int i = 0; i < v.node()->inputs.count(); ++i) collect(v.node()->inputs[i], seen);
}

std::string parameter_name(const Node& node, const ParameterStore& store) {
  return store.infos()[node.parameter].name;
}

}  // namespace

std::string first_non_finite(const Var& result, const ParameterStore& store) {
  std::set<Node*> seen;
  collect(result, seen);
  std::vector<Node*> nodes(seen.begin(), seen.end());
  std::sort(nodes.begin(), nodes.end(), [](const Node* a, const Node* b) { return a->order < b->order; });
  for (const Node* node : nodes) {  // leaves have order 0 and come first
    if (finite(node->value)) continue;
    if (node->parameter >= static_cast<ParameterId>(store.infos().size()))
      continue;  // of a stretch: made before
    if (node->parameter >= 0)
      return fmt::format("parameter {} holds a non-finite value", parameter_name(*node, store));
    if (node->inputs.count() == 0)
      return fmt::format("an input of shape {} holds a non-finite value", node->value.shape());
    std::string layer;
    for (int i = 0; i < node->inputs.count(); ++i)
      if (const Node* in = node->inputs[i].node();
          in->parameter >= 0 && in->parameter < static_cast<ParameterId>(store.infos().size()))
        layer += (layer.empty() ? " with " : ", ") + parameter_name(*in, store);
    return fmt::format("the first non-finite value is the output {} of {}{}", node->value.shape(), node->op,
                       layer);
  }
  return "every value in the graph is finite; their sum is not";
}

}  // namespace espalier
