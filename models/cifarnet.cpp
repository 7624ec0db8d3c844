// cifarnet.cpp: the small convolutional network of the pruning literature (Krizhevsky's cifar10_quick
// layout): three 5x5 convolutions with overlapping pooling, two linear layers;
// 116,704 weights on 32x32x3 images.
#include "framework/nn/layers.h"
#include "framework/nn/model.h"

namespace espalier {
namespace {

struct CifarNetSettings final : ModelSettings {
  void fields(Fields&) override {}
  std::unique_ptr<Model> build(const Shape& image, int classes, std::uint64_t seed) const override {
    if (image[0] < 15 || image[1] < 15)
      fail(ExitCode::config,
           "model: cifarnet pools three times (kernel 3, stride 2) and needs images of at least 15x15, got "
           "{}x{}; "
           "set data.pad_to",
           image[0], image[1]);
    const auto pooled = [](Index extent) { return (extent - 3) / 2 + 1; };
    const Index h = pooled(pooled(pooled(image[0]))), w = pooled(pooled(pooled(image[1])));
    return std::make_unique<Model>(image, classes, seed, [&](const Scope& net) {
      auto root = std::make_unique<Sequential>();
      root->add<Conv2d>(net.child("conv1"), Conv2dOptions{.in = image[2], .out = 32, .kernel = 5, .pad = 2});
      root->add<MaxPool>(3, 2).add<Relu>();
      root->add<Conv2d>(net.child("conv2"), Conv2dOptions{.in = 32, .out = 32, .kernel = 5, .pad = 2})
          .add<Relu>();
      root->add<AveragePool>(3, 2);
      root->add<Conv2d>(net.child("conv3"), Conv2dOptions{.in = 32, .out = 64, .kernel = 5, .pad = 2})
          .add<Relu>();
      root->add<AveragePool>(3, 2).add<Flatten>();
      root->add<Linear>(net.child("fc1"), LinearOptions{.in = 64 * h * w, .out = 64}).add<Relu>();
      root->add<Linear>(net.child("fc2"), LinearOptions{.in = 64, .out = classes, .init = Init::glorot});
      return root;
    });
  }
};

const bool known = Registry<ModelSettings>::add<CifarNetSettings>(
    "cifarnet", "three 5x5 convolutions and two linear layers");

}  // namespace
}  // namespace espalier
