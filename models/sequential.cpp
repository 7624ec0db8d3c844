// sequential.cpp: a graph written as a list of layers: {"type": "sequential", "layers": [{"type": "conv",
// "out": 32, "kernel": 5, "pad": 2}, "relu", ...]}. A residual layer holds lists of its own.
#include "framework/graph/json.h"
#include "framework/graph/ops.h"
#include "framework/nn/model.h"

namespace espalier {
namespace {

/// An op with one input, or (`op` is then null) relu(body(x) + shortcut(x)).
struct Layer {
  std::string type, name;
  std::unique_ptr<Op> op;
  std::vector<Layer> body, shortcut;
};

class LayerAccess final : public VariantAccess {
 public:
  explicit LayerAccess(Layer& layer) : layer_(layer) {}
  std::vector<std::pair<std::string, std::string>> names() const override {
    std::vector<std::pair<std::string, std::string>> all{{"residual", "relu(body(x) + shortcut(x))"}};
    for (const auto& [name, entry] : Registry<Op>::entries())
      if (entry.make()->arity().most == 1) all.emplace_back(name, entry.help);
    std::sort(all.begin(), all.end());
    return all;
  }
  const std::string& type() const override { return layer_.type; }
  void choose(const std::string& name) override {
    layer_.type = name;
    layer_.op = name == "residual" ? nullptr : Registry<Op>::entries().at(name).make();
  }
  void fields_of(const std::string& name, Fields& f) override {
    Layer fresh;
    LayerAccess access(fresh);
    access.choose(name);
    access.fields(f);
  }
  void fields(Fields& f) override {
    f("name", layer_.name, "prefix of its parameters; empty: its position in the list");
    if (layer_.op) return layer_.op->fields(f);
    list(f, "body", layer_.body, "layers of the residual branch");
    list(f, "shortcut", layer_.shortcut, "layers of the shortcut; empty: the identity");
  }
  static void list(Fields& f, const char* key, std::vector<Layer>& layers, const char* help) {
    Layer sample;
    LayerAccess access(sample);
    f.variants(
        key, access, layers.size(), [&](std::size_t n) { layers.resize(n); },
        [&](std::size_t i) { return std::make_unique<LayerAccess>(layers[i]); }, help);
  }

 private:
  Layer& layer_;
};

/// Adds the layers behind value `x`; returns what the last one makes.
ValueId add_layers(GraphBuilder& net, const std::vector<Layer>& layers, const std::string& prefix,
                   ValueId x) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Layer& layer = layers[i];
    const std::string name = prefix + (layer.name.empty() ? std::to_string(i) : layer.name);
    if (layer.op) {
      x = net.add(name, std::shared_ptr<const Op>(layer.op->clone()), {x});
      continue;
    }
    const ValueId body = add_layers(net, layer.body, name + ".body.", x);
    const ValueId shortcut = add_layers(net, layer.shortcut, name + ".shortcut.", x);
    x = net.add(name + ".add", AddOp(), {body, shortcut});
    x = net.add(name + ".relu", ActivationOp(Activation::Kind::relu));
  }
  return x;
}

struct SequentialSettings final : ModelSettings {
  std::vector<Layer> layers;
  void fields(Fields& f) override {
    f.required();
    LayerAccess::list(f, "layers", layers, "layers in order; the last must give one output per class");
  }
  Graph graph(const Shape& image, int) const override {
    GraphBuilder net(image);
    if (layers.empty()) fail(ExitCode::config, "model: \"layers\" is empty; list at least one layer");
    return net.finish({add_layers(net, layers, "", 0)});
  }
};

const bool sequential_known =
    Registry<ModelSettings>::add<SequentialSettings>("sequential", "layers described in JSON");

}  // namespace
}  // namespace espalier
