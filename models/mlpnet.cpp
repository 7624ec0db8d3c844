// mlpnet.cpp: fully connected networks. The defaults are the WoodFisher paper's MLPNet: 784-40-20-10 without
// biases.
#include "framework/graph/builder.h"
#include "framework/nn/model.h"

namespace espalier {
namespace {

struct MlpNetSettings final : ModelSettings {
  std::vector<int> widths{40, 20};
  bool bias = false;
  void fields(Fields& f) override {
    f("widths", widths, "units of each hidden layer", {.low = 1});
    f("bias", bias, "add a bias to every layer");
  }
  Graph graph(const Shape& image, int classes) const override {
    GraphBuilder net(image);
    net.add("flatten", FlattenOp());
    for (std::size_t i = 0; i < widths.size(); ++i) {
      net.add(fmt::format("fc{}", i + 1), LinearOp({.out = widths[i], .bias = bias}));
      net.add(fmt::format("relu{}", i + 1), rectifier());
    }
    net.add(fmt::format("fc{}", widths.size() + 1),
            LinearOp({.out = classes, .bias = bias, .init = Init::glorot}));
    return net.finish();
  }
};

const bool mlpnet_known = Registry<ModelSettings>::add<MlpNetSettings>(
    "mlpnet", "fully connected; by default the WoodFisher paper's 784-40-20-10 without biases");

}  // namespace
}  // namespace espalier
