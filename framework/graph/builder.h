// builder.h: how graphs are made. Every step is checked when it is added: its inputs exist, their shapes suit
// its op, names are unique. All complaints are Error(config) that name the step, its inputs and their shapes.
#pragma once

#include <concepts>
#include <set>

#include "framework/graph/graph.h"
#include "framework/graph/op_table.h"

namespace espalier {

class GraphBuilder {
 public:
  GraphBuilder() = default;
  /// Begins with an input named "input" of one example's shape.
  explicit GraphBuilder(const Shape& shape) { input("input", shape); }

  ValueId input(const std::string& name, const Shape& shape);
  /// `value` names the output; empty: as the step. Parameters and statistics are declared in the op's order.
  ValueId add(const std::string& name, std::shared_ptr<const Op> op, const std::vector<ValueId>& inputs,
              const std::string& value = {});
  template <std::derived_from<Op> Concrete>
  ValueId add(const std::string& name, Concrete op, const std::vector<ValueId>& inputs,
              const std::string& value = {}) {
    return add(name, std::make_shared<const Concrete>(std::move(op)), inputs, value);
  }
  /// Reads the value made last: the next layer of a chain.
  template <std::derived_from<Op> Concrete>
  ValueId add(const std::string& name, Concrete op) {
    return add(name, std::move(op), {last()});
  }

  ValueId last() const { return static_cast<ValueId>(graph_.values.size()) - 1; }
  const Shape& shape(ValueId id) const { return graph_.shape(id); }
  /// -1 if there is none of that name.
  ValueId find(const std::string& value) const;
  const Graph& graph() const { return graph_; }

  /// Every step must lead to an output.
  Graph finish(const std::vector<ValueId>& outputs);
  Graph finish() { return finish({last()}); }

 private:
  ValueId new_value(const std::string& name, const Shape& shape);
  Graph graph_;
  std::set<std::string> step_names_;
};

/// The same steps for inputs of another shape, such as larger images of a network that ends in a global mean. Throws
/// Error(config) naming the step that does not take it, or whose parameters would have other shapes.
Graph for_input(const Graph& graph, const Shape& shape);

}  // namespace espalier
