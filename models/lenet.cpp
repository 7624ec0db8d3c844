// lenet.cpp: LeNet-5 as it is used today (LeCun et al. 1998 with max pooling and ReLU): 6 and 16 maps, 120
// and 84 units.
#include "framework/nn/layers.h"
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
  std::unique_ptr<Model> build(const Shape& image, int classes, std::uint64_t seed) const override {
    if (image[0] < 12 || image[1] < 12)
      fail(ExitCode::config, "model: lenet needs images of at least 12x12, got {}x{}; set data.pad_to",
           image[0], image[1]);
    const auto after = [](Index extent) { return (extent / 2 - 4) / 2; };
    return std::make_unique<Model>(image, classes, seed, [&](const Scope& net) {
      auto root = std::make_unique<Sequential>();
      root->add<Conv2d>(net.child("conv1"),
                        Conv2dOptions{.in = image[2], .out = conv1, .kernel = 5, .pad = 2});
      root->add<MaxPool>(2, 2).add<Relu>();
      root->add<Conv2d>(net.child("conv2"), Conv2dOptions{.in = conv1, .out = conv2, .kernel = 5});
      root->add<MaxPool>(2, 2).add<Relu>().add<Flatten>();
      root->add<Linear>(net.child("fc1"),
                        LinearOptions{.in = conv2 * after(image[0]) * after(image[1]), .out = fc1});
      root->add<Relu>();
      root->add<Linear>(net.child("fc2"), LinearOptions{.in = fc1, .out = fc2}).add<Relu>();
      root->add<Linear>(net.child("fc3"), LinearOptions{.in = fc2, .out = classes, .init = Init::glorot});
      return root;
    });
  }
};

const bool known = Registry<ModelSettings>::add<LeNetSettings>("lenet", "LeNet-5 with max pooling and ReLU");

}  // namespace
}  // namespace espalier
