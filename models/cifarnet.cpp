// cifarnet.cpp: the small convolutional network of the pruning literature (Krizhevsky's cifar10_quick
// layout): three 5x5 convolutions with overlapping pooling, two linear layers; 116,704 weights on 32x32x3
// images.
#include "framework/graph/builder.h"
#include "framework/nn/model.h"

namespace espalier {
namespace {

struct CifarNetSettings final : ModelSettings {
  void fields(Fields&) override {}
  Graph graph(const Shape& image, int classes) const override {
    if (image[0] < 15 || image[1] < 15)
      fail(ExitCode::config,
           "model: cifarnet pools three times (kernel 3, stride 2) and needs images of at least 15x15, got "
           "{}x{}; set data.pad_to",
           image[0], image[1]);
    GraphBuilder net(image);
    net.add("conv1", ConvOp({.out = 32, .kernel = 5, .pad = 2}));
    net.add("pool1", MaxPoolOp(3, 2));
    net.add("relu1", rectifier());
    net.add("conv2", ConvOp({.out = 32, .kernel = 5, .pad = 2}));
    net.add("relu2", rectifier());
    net.add("pool2", AveragePoolOp(3, 2));
    net.add("conv3", ConvOp({.out = 64, .kernel = 5, .pad = 2}));
    net.add("relu3", rectifier());
    net.add("pool3", AveragePoolOp(3, 2));
    net.add("flatten", FlattenOp());
    net.add("fc1", LinearOp({.out = 64}));
    net.add("relu4", rectifier());
    net.add("fc2", LinearOp({.out = classes, .init = Init::glorot}));
    return net.finish();
  }
};

const bool cifarnet_known = Registry<ModelSettings>::add<CifarNetSettings>(
    "cifarnet", "three 5x5 convolutions and two linear layers");

}  // namespace
}  // namespace espalier
