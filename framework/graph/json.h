// json.h: a graph in JSON, as configs and compact files hold it:
//
//   {"steps": [{"op": "conv", "name": "stem", "out": 16, "pad": 1}, "relu",
//              {"op": "conv", "name": "left", "in": ["1"], "out": 8}, {"op": "conv", "name": "right", "in":
//              ["1"], "out": 8},
//              {"op": "add", "in": ["left", "right"]}, ...], "output": "classes"}
//
// A step's "name" is its position in the list if not given, its "in" the step before (the first one's: the
// input), and "value", what it makes, has the step's name. The order of the list is free.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "framework/config/fields.h"
#include "framework/graph/builder.h"

namespace espalier {

/// Name and settings of a step, as sequential models and graphs list them.
struct StepSettings {
  std::string type, name, value;
  std::vector<std::string> in;
  std::unique_ptr<Op> op;
  void choose(const std::string& op_type);
};

struct GraphSettings {
  std::vector<int> input;
  std::vector<StepSettings> steps;
  std::string output;
  void fields(Fields& f);
  /// For inputs of shape `image`. Throws Error(config): unknown and twice defined values, cycles, unread
  /// values, shapes that do not fit.
  Graph build(const Shape& image) const;
};

/// Text that from_json() and configs read. The graph must have one output. Joined activations are written as
/// steps.
std::string to_json(const Graph& graph);
/// `name` stands for the text in messages. The "input" shape must be given.
Graph from_json(const std::string& text, const std::string& name);

}  // namespace espalier
