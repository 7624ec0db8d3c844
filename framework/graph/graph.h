// graph.h: a network as data: values, and the steps that make one from others. Nothing here computes: the
// tape trains a graph (nn/model.h), the engine runs it (infer/engine.h), passes turn it into another
// (passes.h).
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "framework/core/random.h"
#include "framework/core/shape.h"

namespace espalier {

using ValueId = int;

/// What flows between steps. The shape is that of ONE example: {h, w, c} of an image, {features} otherwise.
struct Value {
  std::string name;
  Shape shape;
};

/// What a parameter is to its step. Only weights can be pruned.
enum class Role { weight, bias, norm_scale, norm_shift };
using Initializer = std::function<void(std::span<Real>, Random&)>;

struct ParameterSpec {
  std::string name;  ///< in a graph the full one, as in PyTorch: "layer1.0.conv1.weight"
  Shape shape;       ///< in memory: OHWI for convolutions, [out, in] for linear layers
  Role role;
  Initializer init;
};
/// A running mean or variance: kept beside the parameters and not trained.
struct StatisticSpec {
  std::string name;
  Index size;
  Real initial;
};

struct Op;

/// One application of an op.
struct Step {
  std::string name;  ///< its place in the network ("layer1.0.conv1"), which begins its parameters' names
  std::shared_ptr<const Op> op;
  std::vector<ValueId> inputs;
  ValueId output = -1;
  std::vector<int> parameters;  ///< indices into Graph::parameters, in the op's order
  std::vector<int> statistics;  ///< indices into Graph::statistics
};

/// A directed acyclic graph. GraphBuilder makes them; it checks what is said here.
struct Graph {
  std::vector<Value> values;
  std::vector<Step> steps;                ///< each one's inputs are `input` or outputs of steps before it
  std::vector<ParameterSpec> parameters;  ///< each belongs to one step; their order is that of the flat array
  std::vector<StatisticSpec> statistics;
  ValueId input = -1;
  std::vector<ValueId> outputs;

  const Value& value(ValueId id) const { return values[id]; }
  const Shape& shape(ValueId id) const { return values[id].shape; }
  /// Shapes of a step's inputs.
  std::vector<Shape> shapes(const Step& step) const;
  /// Steps that read each value; being an output of the graph counts as one more.
  std::vector<int> uses() const;
};

}  // namespace espalier
