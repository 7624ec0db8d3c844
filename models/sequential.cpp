// sequential.cpp: a network described wholly in JSON: {"type": "sequential", "layers": [{"type": "conv",
// "out": 32, "kernel": 5, "pad": 2}, "relu", ...]}. Input extents are inferred from layer to layer.
#include "framework/nn/layers.h"
#include "framework/nn/model.h"

namespace espalier {
namespace {

/// Settings of one layer. `build` is told the shape of one example before the layer ({h,w,c} or {features})
/// and leaves there the one after it.
struct LayerSettings {
  std::string name;
  virtual ~LayerSettings() = default;
  virtual void own_fields(Fields&) {}
  void fields(Fields& f) {
    f("name", name, "prefix of its parameters; empty: its position in the list");
    own_fields(f);
  }
  virtual ModulePtr build(const Scope& scope, Shape& shape) const = 0;
};
using Layers = std::vector<Variant<LayerSettings>>;

const Shape& image(const char* layer, const Scope& scope, const Shape& shape) {
  if (shape.rank() != 3)
    fail(ExitCode::config,
         "model: layer {} ({}) needs images, but its input is {} (features); move it before flatten",
         scope.prefix, layer, shape);
  return shape;
}

Index pooled(const char* layer, const Scope& scope, Index extent, Index kernel, Index stride) {
  if (extent < kernel)
    fail(ExitCode::config, "model: layer {} ({}): window {} is larger than its input of extent {}",
         scope.prefix, layer, kernel, extent);
  return (extent - kernel) / stride + 1;
}

std::unique_ptr<Sequential> build_layers(const Layers& layers, const Scope& scope, Shape& shape) {
  auto row = std::make_unique<Sequential>();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::string& given = layers[i]->name;
    row->add(layers[i]->build(scope.child(given.empty() ? std::to_string(i) : given), shape));
  }
  return row;
}

struct ConvLayer final : LayerSettings {
  int out = 0, kernel = 3, stride = 1, pad = 0, dilation = 1, groups = 1;
  bool bias = true;
  void own_fields(Fields& f) override {
    f.required()("out", out, "output channels", {.low = 1});
    f("kernel", kernel, "rows and columns of the kernel", {.low = 1});
    f("stride", stride, "pixels between outputs", {.low = 1});
    f("pad", pad, "zeros around the image", {.low = 0});
    f("dilation", dilation, "pixels between taps", {.low = 1});
    f("groups", groups, "groups of channels convolved apart", {.low = 1});
    f("bias", bias, "add a bias per channel");
  }
  ModulePtr build(const Scope& scope, Shape& shape) const override {
    const Shape in = image("conv", scope, shape);
    const auto extent = [&](Index e) {
      return pooled("conv", scope, e + Index{2} * pad, Index{dilation} * (kernel - 1) + 1, stride);
    };
    shape = {extent(in[0]), extent(in[1]), out};
    return std::make_unique<Conv2d>(scope,
                                    Conv2dOptions{in[2], out, kernel, stride, pad, dilation, groups, bias});
  }
};

struct LinearLayer final : LayerSettings {
  int out = 0;
  bool bias = true;
  void own_fields(Fields& f) override {
    f.required()("out", out, "output units", {.low = 1});
    f("bias", bias, "add a bias per unit");
  }
  ModulePtr build(const Scope& scope, Shape& shape) const override {
    if (shape.rank() != 1)
      fail(ExitCode::config,
           "model: layer {} (linear) needs features, but its input is an image {}; put flatten before it",
           scope.prefix, shape);
    const Index in = shape[0];
    shape = {out};
    return std::make_unique<Linear>(scope, LinearOptions{.in = in, .out = out, .bias = bias});
  }
};

template <class Pool>
struct PoolLayer final : LayerSettings {
  int kernel = 2, stride = 0;
  void own_fields(Fields& f) override {
    f("kernel", kernel, "rows and columns of the window", {.low = 1});
    f("stride", stride, "pixels between windows; 0: the kernel's extent", {.low = 0});
  }
  ModulePtr build(const Scope& scope, Shape& shape) const override {
    const Shape in = image("pool", scope, shape);
    const Index step = stride ? stride : kernel;
    shape = {pooled("pool", scope, in[0], kernel, step), pooled("pool", scope, in[1], kernel, step), in[2]};
    return std::make_unique<Pool>(kernel, step);
  }
};

struct GlobalPoolLayer final : LayerSettings {
  ModulePtr build(const Scope& scope, Shape& shape) const override {
    shape = {image("global_average_pool", scope, shape)[2]};
    return std::make_unique<GlobalAveragePool>();
  }
};

struct ReluLayer final : LayerSettings {
  ModulePtr build(const Scope&, Shape&) const override { return std::make_unique<Relu>(); }
};

struct FlattenLayer final : LayerSettings {
  ModulePtr build(const Scope&, Shape& shape) const override {
    shape = {shape.size()};
    return std::make_unique<Flatten>();
  }
};

struct BatchNormLayer final : LayerSettings {
  double epsilon = 1e-5;
  void own_fields(Fields& f) override {
    f("epsilon", epsilon, "added to the variance", {.low = 0, .low_open = true});
  }
  ModulePtr build(const Scope& scope, Shape& shape) const override {
    return std::make_unique<BatchNorm>(scope, shape[-1], epsilon);
  }
};

struct DropoutLayer final : LayerSettings {
  double rate = 0.5;
  void own_fields(Fields& f) override {
    f("rate", rate, "share of values set to zero", {.low = 0, .high = 1, .high_open = true});
  }
  ModulePtr build(const Scope& scope, Shape&) const override {
    return std::make_unique<Dropout>(rate, std::hash<std::string>()(scope.prefix));
  }
};

struct ResidualLayer final : LayerSettings {
  Layers body, shortcut;
  void own_fields(Fields& f) override {
    f.variants("body", body, "layers of the residual branch");
    f.variants("shortcut", shortcut, "layers of the shortcut; empty: the identity");
  }
  ModulePtr build(const Scope& scope, Shape& shape) const override {
    Shape side = shape;
    auto main = build_layers(body, scope.child("body"), shape);
    auto around = shortcut.empty() ? nullptr : build_layers(shortcut, scope.child("shortcut"), side);
    if (!(shape == side))
      fail(ExitCode::config,
           "model: layer {} (residual): its body gives {}, its shortcut {}; they are added, so they must "
           "agree",
           scope.prefix, shape, side);
    return std::make_unique<Residual>(std::move(main), std::move(around));
  }
};

struct SequentialSettings final : ModelSettings {
  Layers layers;
  void fields(Fields& f) override {
    f.required().variants("layers", layers, "layers in order; the last must give one output per class");
  }
  std::unique_ptr<Model> build(const Shape& input, int classes, std::uint64_t seed) const override {
    return std::make_unique<Model>(input, classes, seed, [&](const Scope& net) {
      Shape shape = input;
      return build_layers(layers, net, shape);
    });
  }
};

using LayerRegistry = Registry<LayerSettings>;
const bool known = LayerRegistry::add<ConvLayer>("conv", "convolution, square kernel") &&
                   LayerRegistry::add<LinearLayer>("linear", "fully connected layer") &&
                   LayerRegistry::add<PoolLayer<MaxPool>>("max_pool", "maximum over windows") &&
                   LayerRegistry::add<PoolLayer<AveragePool>>("average_pool", "mean over windows") &&
                   LayerRegistry::add<GlobalPoolLayer>("global_average_pool", "mean over all pixels") &&
                   LayerRegistry::add<ReluLayer>("relu", "max(x, 0)") &&
                   LayerRegistry::add<FlattenLayer>("flatten", "image to features") &&
                   LayerRegistry::add<BatchNormLayer>("batch_norm", "batch normalisation") &&
                   LayerRegistry::add<DropoutLayer>("dropout", "random zeros in training") &&
                   LayerRegistry::add<ResidualLayer>("residual", "relu(body(x) + shortcut(x))") &&
                   Registry<ModelSettings>::add<SequentialSettings>("sequential", "layers described in JSON");

}  // namespace
}  // namespace espalier
