// mlpnet.cpp: fully connected networks. The defaults are the WoodFisher paper's MLPNet:
// 784-40-20-10 without biases.
#include "framework/nn/layers.h"
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
  std::unique_ptr<Model> build(const Shape& image, int classes, std::uint64_t seed) const override {
    return std::make_unique<Model>(image, classes, seed, [&](const Scope& net) {
      auto root = std::make_unique<Sequential>();
      root->add<Flatten>();
      Index in = image.size();
      for (std::size_t i = 0; i < widths.size(); ++i) {
        root->add<Linear>(net.child("fc" + std::to_string(i + 1)),
                          LinearOptions{.in = in, .out = widths[i], .bias = bias});
        root->add<Relu>();
        in = widths[i];
      }
      root->add<Linear>(net.child("fc" + std::to_string(widths.size() + 1)),
                        LinearOptions{.in = in, .out = classes, .bias = bias, .init = Init::glorot});
      return root;
    });
  }
};

const bool known = Registry<ModelSettings>::add<MlpNetSettings>(
    "mlpnet", "fully connected; by default the WoodFisher paper's 784-40-20-10 without biases");

}  // namespace
}  // namespace espalier
