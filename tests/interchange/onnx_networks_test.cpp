// The networks of torchvision, exported by PyTorch with random weights and statistics, give the logits of
// ONNX Runtime; and exported again by us, ONNX Runtime gives ours.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "framework/infer/engine.h"
#include "framework/interchange/onnx/export.h"
#include "framework/interchange/onnx/import.h"
#include "paths.h"
#include "tests/support/external.h"
#include "tests/support/temp_folder.h"

namespace espalier::onnx {
namespace {

namespace fs = std::filesystem;

/// Largest difference as a share of the largest value.
double difference(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return INFINITY;
  double most = 0, largest = 1e-30;
  for (std::size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, std::abs(static_cast<double>(a[i]) - b[i]));
    largest = std::max(largest, std::abs(static_cast<double>(b[i])));
  }
  return most / largest;
}

class Networks : public ::testing::TestWithParam<const char*> {};

TEST_P(Networks, GiveTheLogitsOfOnnxRuntimeInAndOut) {
  if (!testing::python_has("torchvision"))
    GTEST_SKIP() << "no torchvision: apt-get install python3-torchvision";
  if (testing::onnxruntime().empty()) GTEST_SKIP() << "no onnxruntime-node in $ESPALIER_ORT or build/onnxruntime";
  const std::string name = GetParam(), file = name.substr(0, name.find(':'));
  const testing::TempFolder folder;
  ASSERT_EQ(std::system(fmt::format("{} {}/tests/interchange/export_networks.py {} {}", testing::python(),
                                    ESPALIER_SOURCE_DIR, folder.str(), name)
                            .c_str()),
            0);
  const Imported imported = import_model(read_model(folder / (file + ".onnx")));
  for (const bool keep : {false, true}) {  // ours, with batch norm folded and kept
    const std::string own = keep ? "kept" : "folded";
    write_model(folder / (own + ".onnx"), imported.graph, imported.weights, {.keep_batch_norm = keep});
    fs::copy(folder / (file + ".f32"), folder / (own + ".f32"));
    fs::copy(folder / (file + ".shape"), folder / (own + ".shape"));
  }
  ASSERT_TRUE(testing::run_onnxruntime(folder.path()));
  const std::vector<float> images =
      testing::channels_last(testing::read_floats(folder / (file + ".f32")), 2, 3, 224 * 224);
  const Tensor logits = Engine(imported.graph, imported.weights)(Tensor::from({2, 224, 224, 3}, images));
  EXPECT_LE(difference(logits.values(), testing::read_floats(folder / (file + ".ort.f32"))), 1e-4);
  EXPECT_LE(difference(testing::read_floats(folder / "folded.ort.f32"), logits.values()), 1e-5);
  EXPECT_LE(difference(testing::read_floats(folder / "kept.ort.f32"), logits.values()), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Torchvision, Networks,
                         ::testing::Values("resnet18", "resnet18:17:keep", "resnet50", "densenet121:9:keep",
                                           "mobilenet_v2", "mobilenet_v3_small:11", "mobilenet_v3_small:14",
                                           "squeezenet1_1", "vgg11_bn", "alexnet", "densenet121", "googlenet",
                                           "shufflenet_v2_x0_5", "mnasnet0_5", "efficientnet_b0",
                                           "regnet_y_400mf"),
                         [](const auto& one) {
                           std::string name = one.param;
                           std::replace(name.begin(), name.end(), ':', '_');  // gtest wants letters
                           return name;
                         });

}  // namespace
}  // namespace espalier::onnx
