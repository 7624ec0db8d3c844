// A network that came in by ONNX trains as it would in PyTorch: one step's loss and every parameter's
// gradient.
#include <gtest/gtest.h>

#include <cmath>

#include "framework/autograd/backward.h"
#include "framework/interchange/onnx/import.h"
#include "framework/nn/model.h"
#include "paths.h"
#include "tests/support/external.h"
#include "tests/support/temp_folder.h"

namespace espalier::onnx {
namespace {

namespace fs = std::filesystem;

/// Keeps each parameter's gradient over the whole batch.
struct Gradients final : GradientSink {
  std::map<ParameterId, Tensor> of;
  void accept(ParameterId id, const Partial& partial) override {
    const Tensor g = partial(Range{0, partial.examples()});
    if (!of.contains(id)) {
      of[id] = g.clone();
      return;
    }
    for (Index i = 0; i < g.size(); ++i) of[id].data()[i] += g.data()[i];
  }
};

class Training : public ::testing::TestWithParam<const char*> {};

TEST_P(Training, OneStepIsPytorchs) {
  if (!testing::python_has("torchvision"))
    GTEST_SKIP() << "no torchvision: apt-get install python3-torchvision";
  const std::string name = GetParam();
  const testing::TempFolder folder;
  ASSERT_EQ(std::system(fmt::format("{} {}/tests/interchange/train_step.py {} {}", testing::python(),
                                    ESPALIER_SOURCE_DIR, folder.str(), name)
                            .c_str()),
            0);
  constexpr Index n = 8, extent = 64;
  const Imported imported =
      import_model(read_model(folder / (name + ".onnx")), {.image = {extent, extent, 3}});
  const Model model(imported.graph, 10, 1);
  const std::vector<float> images =
      testing::channels_last(testing::read_floats(folder / (name + ".f32")), n, 3, extent * extent);
  std::vector<std::int32_t> labels(n);
  for (Index i = 0; i < n; ++i) labels[i] = static_cast<std::int32_t>(i % 10);
  Pass pass;
  pass.training = true;
  const Var losses = cross_entropy(model.forward(Tensor::from({n, extent, extent, 3}, images), pass), labels);
  double loss = 0, expected = 0;
  for (const Real v : losses.value().values()) loss += static_cast<double>(v) / n;
  std::ifstream(folder / (name + ".loss")) >> expected;
  EXPECT_NEAR(loss, expected, 1e-3 * std::abs(expected));

  Gradients ours;
  backward(losses, Tensor::full(losses.shape(), Real(1) / n), ours);
  const auto& infos = model.store().infos();
  double all_ours = 0, largest = 0;
  for (std::size_t id = 0; id < infos.size(); ++id) {
    const ParameterInfo& p = infos[id];
    ASSERT_TRUE(fs::exists(folder / (name + "." + p.name + ".f32"))) << p.name << " is no name of PyTorch's";
    const std::vector<float> theirs = testing::read_floats(folder / (name + "." + p.name + ".f32"));
    const Tensor& g = ours.of.at(static_cast<ParameterId>(id));
    const Index pixels = p.shape.rank() == 4 ? p.shape[1] * p.shape[2] : 1,
                in = p.shape.rank() == 4 ? p.shape[3] : 1;
    double difference = 0, norm = 0;
    for (Index i = 0; i < g.size(); ++i) {  // OHWI beside OIHW
      const Index o = i / (pixels * in), rest = i % (pixels * in);
      const Index disk = (o * in + rest % in) * pixels + rest / in;
      difference += std::pow(static_cast<double>(g.data()[i]) - theirs[disk], 2);
      norm += std::pow(static_cast<double>(theirs[disk]), 2);
    }
    all_ours += difference;
    largest += norm;
    // A bias before batch norm has the gradient zero but for rounding.
    EXPECT_LE(std::sqrt(difference), 1e-3 * std::sqrt(norm) + 1e-6) << p.name;
  }
  EXPECT_LE(std::sqrt(all_ours), 1e-3 * std::sqrt(largest));
}

INSTANTIATE_TEST_SUITE_P(Torchvision, Training, ::testing::Values("resnet18", "mobilenet_v2", "densenet121"),
                         [](const auto& one) { return std::string(one.param); });

}  // namespace
}  // namespace espalier::onnx
