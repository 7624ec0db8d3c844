// lenet.cpp: LeNet-5 as it is used today (LeCun et al. 1998 with max pooling and ReLU): 6 and 16 maps, 120
// and 84 units.
#include "framework/graph/builder.h"
#include "framework/nn/model.h"

namespace espalier {
namespace {

struct LeNetSettings final : ModelSettings {
  int conv1 = 6, conv2 = 16, fc1 = 120, fc2 = 84;
  void fields(Fields& f) override {
    f("conv1", conv1, "maps of the first 5x5 convolution (padding 2)", {.low = 1});
    f("conv2", conv2, "maps of the second 5x5 convolution (no padding)", {.low = 1});
    f("fc1", fc1, "units of the first linear layer", {.low = 1});
    f("fc2", fc2, "units of the second linear layer", {.low = 1});
  }
  Graph graph(const Shape& image, int classes) const override {
    if (image[0] < 12 || image[1] < 12)
      fail(ExitCode::config, "model: lenet needs images of at least 12x12, got {}x{}; set data.pad_to",
           image[0], image[1]);
    GraphBuilder net(image);
    net.add("conv1", ConvOp({.out = conv1, .kernel = 5, .pad = 2}));
    net.add("pool1", MaxPoolOp(2, 2));
    net.add("relu1", rectifier());
    net.add("conv2", ConvOp({.out = conv2, .kernel = 5}));
    net.add("pool2", MaxPoolOp(2, 2));
    net.add("relu2", rectifier());
    net.add("flatten", FlattenOp());
    net.add("fc1", LinearOp({.out = fc1}));
    net.add("relu3", rectifier());
    net.add("fc2", LinearOp({.out = fc2}));
    net.add("relu4", rectifier());
    net.add("fc3", LinearOp({.out = classes, .init = Init::glorot}));
    return net.finish();
  }
};

const bool lenet_known =
    Registry<ModelSettings>::add<LeNetSettings>("lenet", "LeNet-5 with max pooling and ReLU");

}  // namespace
}  // namespace espalier
