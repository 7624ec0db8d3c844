// The networks of torchvision, exported by PyTorch with random weights and statistics, give the logits of
// ONNX Runtime; and exported again by us, ONNX Runtime gives ours.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "framework/graph/thin/thin.h"
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
  if (testing::onnxruntime().empty())
    GTEST_SKIP() << "no onnxruntime-node in $ESPALIER_ORT or build/onnxruntime";
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
  EXPECT_EQ(testing::onnx_complaints(folder.path()), "");
  for (const char* own : {"kept.onnx", "folded.onnx"}) {
    const ModelProto out = read_model(folder / own);
    EXPECT_EQ(out.graph.input.at(0).name, "image") << "names are those of the file it came from";
    EXPECT_EQ(out.graph.output.at(0).name, "logits");
  }
  ASSERT_TRUE(testing::run_onnxruntime(folder.path()));
  const std::vector<float> images =
      testing::channels_last(testing::read_floats(folder / (file + ".f32")), 2, 3, 224 * 224);
  const Tensor logits = Engine(imported.graph, imported.weights)(Tensor::from({2, 224, 224, 3}, images));
  EXPECT_LE(difference(logits.values(), testing::read_floats(folder / (file + ".ort.f32"))), 1e-4);
  EXPECT_LE(difference(testing::read_floats(folder / "folded.ort.f32"), logits.values()), 1e-5);
  EXPECT_LE(difference(testing::read_floats(folder / "kept.ort.f32"), logits.values()), 1e-5);
}

/// Half of the weights become zero, and every fifth output channel of a convolution altogether, with the batch norm
/// behind it: some channels die, others are held alive by sums.
void prune(const Graph& graph, Weights& weights) {
  for (const ParameterSpec& p : graph.parameters) {
    Tensor t = weights.at(p.name).clone();
    const Index each = p.role == Role::weight ? p.shape.example_size() : 1;
    const bool classes = p.role == Role::weight && p.shape[0] == 1000;
    for (Index o = 0; o < p.shape[0]; ++o)
      for (Index i = 0; i < each; ++i)
        if ((p.role == Role::weight && (o + i) % 2 == 0) ||
            (o % 5 == 2 && !classes && p.role != Role::norm_scale))
          t.data()[o * each + i] = 0;
    weights.tensors[p.name] = t;
  }
  for (const StatisticSpec& s : graph.statistics)
    if (s.name.ends_with("mean")) weights.tensors[s.name] = Tensor::zeros({s.size});
}

class Pruned : public ::testing::TestWithParam<const char*> {};

TEST_P(Pruned, NetworksGoOutAgainDenseAndThinnedWithOurLogits) {
  if (!testing::python_has("torchvision"))
    GTEST_SKIP() << "no torchvision: apt-get install python3-torchvision";
  if (testing::onnxruntime().empty())
    GTEST_SKIP() << "no onnxruntime-node in $ESPALIER_ORT or build/onnxruntime";
  const std::string name = GetParam();
  const testing::TempFolder folder, out;
  ASSERT_EQ(std::system(fmt::format("{} {}/tests/interchange/export_networks.py {} {}:13:keep",
                                    testing::python(), ESPALIER_SOURCE_DIR, folder.str(), name)
                            .c_str()),
            0);
  Imported net = import_model(read_model(folder / (name + ".onnx")));
  prune(net.graph, net.weights);
  const Thinned thin = remove_dead_channels(net.graph, net.weights);
  Index before = 0, after = 0;
  for (const ThinnedLayer& l : thin.layers) before += l.weights_before, after += l.weights;
  EXPECT_LT(after, before * 9 / 10) << "some channels have left";
  write_model(out / "dense.onnx", net.graph, net.weights);
  write_model(out / "sparse.onnx", net.graph, net.weights, {.keep_batch_norm = true});
  write_model(out / "thin.onnx", thin.graph, thin.weights);
  for (const char* own : {"dense", "sparse", "thin"}) {
    fs::copy(folder / (name + ".f32"), out / (std::string(own) + ".f32"));
    fs::copy(folder / (name + ".shape"), out / (std::string(own) + ".shape"));
  }
  EXPECT_LT(fs::file_size(out / "thin.onnx"), fs::file_size(out / "dense.onnx") * 9 / 10);
  EXPECT_EQ(testing::onnx_complaints(out.path()), "");
  ASSERT_TRUE(testing::run_onnxruntime(out.path()));
  const std::vector<float> images =
      testing::channels_last(testing::read_floats(folder / (name + ".f32")), 2, 3, 224 * 224);
  const Tensor logits = Engine(net.graph, net.weights)(Tensor::from({2, 224, 224, 3}, images));
  for (const char* own : {"dense", "sparse", "thin"})
    EXPECT_LE(difference(testing::read_floats(out / (std::string(own) + ".ort.f32")), logits.values()), 1e-5)
        << own;
}

INSTANTIATE_TEST_SUITE_P(Torchvision, Pruned,
                         ::testing::Values("resnet18", "mobilenet_v2", "shufflenet_v2_x0_5"),
                         [](const auto& one) { return std::string(one.param); });

INSTANTIATE_TEST_SUITE_P(Torchvision, Networks,
                         // Every opset that PyTorch 1.13 writes, 7 to 17.
                         ::testing::Values("resnet18", "resnet18:17:keep", "resnet50:12",
                                           "densenet121:9:keep", "mobilenet_v2:10", "mobilenet_v3_small:11",
                                           "mobilenet_v3_small:14", "squeezenet1_1:8", "vgg11_bn:9",
                                           "alexnet:7", "densenet121", "googlenet:12",
                                           "shufflenet_v2_x0_5:15", "mnasnet0_5:16", "efficientnet_b0:17",
                                           "regnet_y_400mf:13"),
                         [](const auto& one) {
                           std::string name = one.param;
                           std::replace(name.begin(), name.end(), ':', '_');  // gtest wants letters
                           return name;
                         });

}  // namespace
}  // namespace espalier::onnx
