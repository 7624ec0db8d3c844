// resnet.cpp: the residual networks of He et al. 2016 for CIFAR (6n+2 layers) with projection shortcuts
// (their option B). Parameter names are those of the WoodFisher checkpoints (torchvision's scheme).
#include "framework/graph/builder.h"
#include "framework/nn/model.h"

namespace espalier {
namespace {

ConvOp conv3x3(Index out, Index stride) {
  return ConvOp({.out = out, .kernel = 3, .stride = stride, .pad = 1, .bias = false});
}

void add_basic_block(GraphBuilder& net, const std::string& block, Index out, Index stride) {
  const ValueId x = net.last();
  net.add(block + ".conv1", conv3x3(out, stride));
  net.add(block + ".bn1", BatchNormOp());
  net.add(block + ".relu1", rectifier());
  net.add(block + ".conv2", conv3x3(out, 1));
  const ValueId body = net.add(block + ".bn2", BatchNormOp());
  ValueId shortcut = x;
  if (stride != 1 || net.shape(x)[2] != out) {
    net.add(block + ".downsample.0", ConvOp({.out = out, .kernel = 1, .stride = stride, .bias = false}), {x});
    shortcut = net.add(block + ".downsample.1", BatchNormOp());
  }
  net.add(block + ".add", AddOp(), {body, shortcut});
  net.add(block + ".relu2", rectifier());
}

template <int depth>
struct ResNetSettings final : ModelSettings {
  int width = 16;
  void fields(Fields& f) override {
    f("width", width, "channels of the first stage; doubled at each further one", {.low = 1});
  }
  Graph graph(const Shape& image, int classes) const override {
    static_assert((depth - 2) % 6 == 0);
    GraphBuilder net(image);
    net.add("conv1", conv3x3(width, 1));
    net.add("bn1", BatchNormOp());
    net.add("relu", rectifier());
    for (int stage = 0; stage < 3; ++stage)
      for (int b = 0; b < (depth - 2) / 6; ++b)
        add_basic_block(net, fmt::format("layer{}.{}", stage + 1, b), Index{width} << stage,
                        stage > 0 && b == 0 ? 2 : 1);
    net.add("pool", GlobalAveragePoolOp());
    net.add("fc", LinearOp({.out = classes, .init = Init::glorot}));
    return net.finish();
  }
};

template <int depth>
bool add() {
  return Registry<ModelSettings>::add<ResNetSettings<depth>>(
      "resnet" + std::to_string(depth),
      "residual network for CIFAR, " + std::to_string(depth) + " layers, projection shortcuts");
}
const bool resnet_known = add<20>() && add<32>() && add<44>() && add<56>();

}  // namespace
}  // namespace espalier
