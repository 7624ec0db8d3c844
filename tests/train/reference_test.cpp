// The two published checkpoints must give the values that PyTorch computed in float64
// (shared/data/reference): logits, losses, and the norm of every example's gradient in every tensor.
// Needs ESPALIER_SHARED.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "framework/autograd/backward.h"
#include "framework/data/loader.h"
#include "framework/ops/ops.h"
#include "framework/train/checkpoint.h"

namespace espalier {
namespace {

using nlohmann::json;

struct Reference {
  const char* name;  // of the files
  const char* model;
  int height, channels;
  bool planes;  // pixels stored as colour planes (CIFAR) or row by row
  double mean, std;
};

void PrintTo(const Reference& r, std::ostream* out) {
  *out << r.name;
}  // else test names would hold addresses

class PublishedCheckpoint : public testing::TestWithParam<Reference> {
 protected:
  void SetUp() override {
    const char* shared = std::getenv("ESPALIER_SHARED");
    if (!shared) GTEST_SKIP() << "set ESPALIER_SHARED to the folder with data/reference and data/checkpoints";
    const Reference& r = GetParam();
    const std::string data = std::string(shared) + "/data/";
    std::ifstream in(data + "reference/" + r.name + "_reference.json");
    reference = json::parse(in);
    std::ifstream records(data + "reference/" + r.name + "_inputs.bin", std::ios::binary);
    set.height = set.width = r.height;
    set.channels = r.channels;
    const int pixels = r.height * r.height;
    std::vector<char> record(1 + pixels * r.channels);
    while (records.read(record.data(), static_cast<std::streamsize>(record.size()))) {
      set.labels.push_back(record[0]);
      for (int p = 0; p < pixels; ++p)
        for (int c = 0; c < r.channels; ++c)
          set.pixels.push_back(static_cast<std::uint8_t>(record[1 + c * pixels + p]));
    }
    Variant<ModelSettings> choice;
    choice.choose(r.model);
    model = choice->build({r.height, r.height, r.channels}, 10, 1);
    const std::string file = std::string(r.name) == "mlpnet" ? "mlpnet_mnist" : "resnet20_cifar10";
    load_checkpoint(data + "checkpoints/" + file + ".safetensors", *model);
    const std::vector<double> mean(r.channels, r.mean), deviation(mean.size(), r.std);
    const Preprocessing preprocessing{r.height, r.height, {mean, deviation}};
    std::vector<Index> all(16);
    for (Index i = 0; i < 16; ++i) all[i] = i;
    load_examples(set, preprocessing, all, batch);
  }
  json reference;
  ImageSet set;
  Batch batch;
  std::unique_ptr<Model> model;
};

/// Squared norms of every row of every parameter's gradient.
struct Norms final : GradientSink {
  std::map<ParameterId, std::vector<double>> squares;
  void accept(ParameterId id, const Partial& partial) override {
    for (Index n = 0; n < partial.examples(); ++n) {
      double sum = 0;
      for (const Real g : partial({n, n + 1}).values())
        sum += static_cast<double>(g) * static_cast<double>(g);
      squares[id].push_back(sum);
    }
  }
};

TEST_P(PublishedCheckpoint, EvaluationModeGivesTheRecordedLogitsLossesAndGradientNorms) {
  Pass pass;
  const Var logits = model->forward(batch.images, pass);
  const Var losses = cross_entropy(logits, batch.labels);
  const Tensor z = logits.value(), l = losses.value();
  Norms norms;
  backward(losses, Tensor::full({16}, 1), norms);
  for (std::size_t n = 0; n < 16; ++n) {
    const json& e = reference["examples"][n];
    for (std::size_t k = 0; k < 10; ++k)
      EXPECT_NEAR(z.data()[n * 10 + k], e["logits"][k].get<double>(), 1e-4)
          << "example " << n << ", class " << k;
    EXPECT_NEAR(l.data()[n], e["loss"].get<double>(), 1e-4) << "example " << n;
    const double total = e["grad_l2_total"];
    for (const auto& [id, squares] : norms.squares) {
      const std::string& name = model->store().infos()[id].name;
      // Relative to the whole gradient:
      // the smallest tensors' own norms are lost in float32 rounding of the rest.
      EXPECT_NEAR(std::sqrt(squares[n]), e["grad_l2"][name].get<double>(), 2e-4 * total + 1e-7)
          << name << ", example " << n;
    }
  }
  EXPECT_EQ(norms.squares.size(), reference["mean_over_examples"]["grad_l2"].size());
}

TEST_P(PublishedCheckpoint, TrainingModeGivesTheRecordedBatchAndRunningStatistics) {
  if (!reference.contains("train_mode")) GTEST_SKIP() << "no batch norm in this network";
  const json& expected = reference["train_mode"];
  Pass pass{.training = true};
  const Tensor z = model->forward(batch.images, pass).value();
  for (std::size_t n = 0; n < 16; ++n)
    for (std::size_t k = 0; k < 10; ++k)
      EXPECT_NEAR(z.data()[n * 10 + k], expected["logits"][n][k].get<double>(), 2e-3) << "example " << n;
  const ParameterStore& store = model->store();
  for (std::size_t s = 0; s < store.statistic_infos().size(); ++s) {
    const auto& info = store.statistic_infos()[s];
    const json& after = expected["buffers_after"][info.name];
    double square = 0;
    for (Index i = info.range.begin; i < info.range.end; ++i)
      square += std::pow(static_cast<double>(store.statistics()[i]), 2);
    EXPECT_NEAR(std::sqrt(square), after["l2"].get<double>(), 1e-4 * after["l2"].get<double>()) << info.name;
  }
}

INSTANTIATE_TEST_SUITE_P(WoodFisherPaper, PublishedCheckpoint,
                         testing::Values(Reference{"mlpnet", "mlpnet", 28, 1, false, 0.1307, 0.3081},
                                         Reference{"resnet20", "resnet20", 32, 3, true, 0.5, 0.5}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace espalier
