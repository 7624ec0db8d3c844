// exporter.h: the ONNX graph while it is written: nodes, initialisers, and a name for each value.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "framework/graph/graph.h"
#include "framework/graph/weights.h"
#include "framework/interchange/onnx/export.h"
#include "framework/interchange/onnx/proto.h"
#include "framework/interchange/protobuf.h"

namespace espalier::onnx {

/// One attribute of a node.
struct Attribute {
  std::string name;
  std::int64_t type;
  std::int64_t i = 0;
  float f = 0;
  std::vector<std::int64_t> ints;
  static Attribute integer(std::string n, std::int64_t v) {
    return {std::move(n), AttributeProto::INT, v, 0, {}};
  }
  static Attribute real(std::string n, double v) {
    return {std::move(n), AttributeProto::FLOAT, 0, static_cast<float>(v), {}};
  }
  static Attribute integers(std::string n, std::vector<std::int64_t> v) {
    return {std::move(n), AttributeProto::INTS, 0, 0, std::move(v)};
  }
};

class Exporter {
 public:
  Exporter(const Graph& graph, const Weights& weights, const ExportOptions& options)
      : graph_(graph), weights_(weights), options_(options) {}
  std::string run();

  /// Adds a node and gives its output's name back: `output`, or a new one after it if that is taken.
  std::string node(const std::string& type, const std::vector<std::string>& inputs, const std::string& output,
                   const std::vector<Attribute>& attributes = {});
  /// Adds an initialiser of dims; its name.
  std::string tensor(const std::string& name, const std::vector<std::int64_t>& dims,
                     std::span<const float> values);
  std::string tensor(const std::string& name, const std::vector<std::int64_t>& values);
  std::string scalar(const std::string& name, double value);

 private:
  void add_input();
  void add_step(const Step& step);
  std::string parameter(const Step& step, std::size_t i);
  std::string statistic(const Step& step, std::size_t i);
  std::string activation(const std::string& x, const Activation& f, const std::string& output);
  std::string unique(const std::string& name);
  /// Name of the value that `step` makes, for its last node.
  std::string output_of(const Step& step) const { return graph_.value(step.output).name; }
  const Graph& graph_;
  const Weights& weights_;
  const ExportOptions& options_;
  ProtoWriter body_;
  std::map<ValueId, std::string> names_;
  std::set<std::string> taken_,
      values_;  ///< all names; those of the graph's values that no node has made yet
};

}  // namespace espalier::onnx
