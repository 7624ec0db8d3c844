// resnet.cpp: the residual networks of He et al. 2016 for CIFAR (6n+2 layers) with projection shortcuts
// (their option B). Parameter names are those of the WoodFisher checkpoints (torchvision's scheme).
#include "framework/nn/layers.h"
#include "framework/nn/model.h"

namespace espalier {
namespace {

Conv2dOptions conv3x3(Index in, Index out, Index stride) {
  return {.in = in, .out = out, .kernel = 3, .stride = stride, .pad = 1, .bias = false};
}

ModulePtr basic_block(const Scope& block, Index in, Index out, Index stride) {
  auto body = std::make_unique<Sequential>();
  body->add<Conv2d>(block.child("conv1"), conv3x3(in, out, stride));
  body->add<BatchNorm>(block.child("bn1"), out).add<Relu>();
  body->add<Conv2d>(block.child("conv2"), conv3x3(out, out, 1));
  body->add<BatchNorm>(block.child("bn2"), out);
  std::unique_ptr<Sequential> shortcut;
  if (stride != 1 || in != out) {
    shortcut = std::make_unique<Sequential>();
    shortcut->add<Conv2d>(block.child("downsample.0"),
                          Conv2dOptions{.in = in, .out = out, .kernel = 1, .stride = stride, .bias = false});
    shortcut->add<BatchNorm>(block.child("downsample.1"), out);
  }
  return std::make_unique<Residual>(std::move(body), std::move(shortcut));
}

template <int depth>
struct ResNetSettings final : ModelSettings {
  int width = 16;
  void fields(Fields& f) override {
    f("width", width, "channels of the first stage; doubled at each further one", {.low = 1});
  }
  std::unique_ptr<Model> build(const Shape& image, int classes, std::uint64_t seed) const override {
    static_assert((depth - 2) % 6 == 0);
    return std::make_unique<Model>(image, classes, seed, [&](const Scope& net) {
      auto root = std::make_unique<Sequential>();
      root->add<Conv2d>(net.child("conv1"), conv3x3(image[2], width, 1));
      root->add<BatchNorm>(net.child("bn1"), width).add<Relu>();
      Index in = width;
      for (int stage = 0; stage < 3; ++stage) {
        const Index out = Index{width} << stage;
        const Scope layer = net.child("layer" + std::to_string(stage + 1));
        for (int b = 0; b < (depth - 2) / 6; ++b) {
          root->add(basic_block(layer.child(std::to_string(b)), in, out, stage > 0 && b == 0 ? 2 : 1));
          in = out;
        }
      }
      root->add<GlobalAveragePool>();
      root->add<Linear>(net.child("fc"), LinearOptions{.in = in, .out = classes, .init = Init::glorot});
      return root;
    });
  }
};

template <int depth>
bool add() {
  return Registry<ModelSettings>::add<ResNetSettings<depth>>(
      "resnet" + std::to_string(depth),
      "residual network for CIFAR, " + std::to_string(depth) + " layers, projection shortcuts");
}
const bool known = add<20>() && add<32>() && add<44>() && add<56>();

}  // namespace
}  // namespace espalier
