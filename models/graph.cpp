// graph.cpp: a network said as a graph in JSON: {"type": "graph", "steps": [...]}; see
// framework/graph/json.h.
#include "framework/graph/json.h"
#include "framework/nn/model.h"

namespace espalier {
namespace {

struct GraphModel final : ModelSettings {
  GraphSettings settings;
  void fields(Fields& f) override { settings.fields(f); }
  Graph graph(const Shape& image, int) const override { return settings.build(image); }
};

const bool graph_known =
    Registry<ModelSettings>::add<GraphModel>("graph", "any graph of ops, described in JSON");

}  // namespace
}  // namespace espalier
