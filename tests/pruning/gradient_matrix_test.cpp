// G from a real network: rows are the gradients that batches of one would give, mini-batch rows are their
// means, pruned weights have zero columns, and neither the number of threads nor the cut into passes changes
// a bit.
#include "pruning/rows/gradient_matrix.h"

#include <gtest/gtest.h>

#include <cstring>

#include "framework/autograd/backward.h"
#include "framework/core/parallel.h"
#include "framework/ops/ops.h"
#include "tests/support/pruning.h"

namespace espalier {
namespace {

struct GradientMatrixTest : testing::Test {
  GradientMatrixTest() {
    data =
        made<DataSettings>(
            R"({"type": "synthetic", "classes": 3, "train": 160, "test": 10, "height": 12, "width": 12, "channels": 2})")
            ->open();
    preprocessing = {12, 12, measure_normalization(data.train)};
    model = made<ModelSettings>(R"({"type": "sequential", "layers": [
      {"type": "conv", "name": "conv", "out": 5, "kernel": 3, "pad": 1}, "batch_norm", "relu", {"type": "max_pool", "kernel": 2},
      {"type": "conv", "name": "conv2", "out": 4, "kernel": 3, "stride": 2}, "relu", "flatten", {"type": "linear", "name": "fc", "out": 3}]})")
                ->build({12, 12, 2}, 3, 1);
    for (std::size_t i = 0; i < model->store().infos().size(); ++i)
      if (model->store().infos()[i].role == Role::weight) layers.push_back(static_cast<ParameterId>(i));
  }
  /// The gradient of one example's loss by the differentiable reverse pass, layer after layer.
  std::vector<double> alone(Index example) {
    Batch batch;
    load_examples(data.train, preprocessing, std::vector<Index>{example}, batch);
    Pass pass;
    std::vector<Var> weights;
    for (const ParameterId id : layers) weights.push_back(model->store().var(id));
    std::vector<double> row;
    for (const Var& g : grad(cross_entropy(model->forward(batch.images, pass), batch.labels), weights))
      row.insert(row.end(), g.value().values().begin(), g.value().values().end());
    return row;
  }
  std::vector<Index> examples(Index count) {
    std::vector<Index> e;
    for (Index i = 0; i < count; ++i) e.push_back((i * 37) % data.train.size());
    return e;
  }
  DataSource data;
  Preprocessing preprocessing;
  std::unique_ptr<Model> model;
  std::vector<ParameterId> layers;
};

TEST_F(GradientMatrixTest, RowsAreGradientsOfSingleExamples) {
  const auto chosen = examples(70);  // more than one pass
  GradientMatrix G(model->store(), layers, 70);
  const double loss = G.fill(*model, data.train, preprocessing, chosen);
  EXPECT_NEAR(loss, mean_loss(*model, data.train, preprocessing, chosen), 1e-6);
  for (const Index m : {Index{0}, Index{33}, Index{64}, Index{69}}) {
    const std::vector<double> expected = alone(chosen[m]);
    double norm = 0;
    for (const double e : expected) norm = std::max(norm, std::abs(e));
    for (std::size_t q = 0; q < expected.size(); ++q)
      EXPECT_NEAR(G.row(m)[q], expected[q], 1e-5 * norm)
          << "row " << m << ", weight " << q;  // float32, other summation order
  }
}

TEST_F(GradientMatrixTest, MiniBatchRowsAreMeans) {
  for (const Index size : {3, 50}) {  // within one pass, and across passes
    const auto chosen = examples(3 * size);
    GradientMatrix rows(model->store(), layers, 3), singles(model->store(), layers, 3 * size);
    rows.fill(*model, data.train, preprocessing, chosen);
    singles.fill(*model, data.train, preprocessing, chosen);
    for (Index m = 0; m < 3; ++m)
      for (Index q = 0; q < rows.cols(); ++q) {
        double mean = 0, largest = 0;
        for (Index i = 0; i < size; ++i) {
          const double g = singles.row(m * size + i)[q];
          mean += g / static_cast<double>(size);
          largest = std::max(largest, std::abs(g));
        }
        EXPECT_NEAR(rows.row(m)[q], mean, 1e-5 * largest + 1e-9);
      }
  }
}

TEST_F(GradientMatrixTest, PrunedWeightsHaveZeroColumnsAndTheMeanIsThatOfTheRows) {
  const Range fc = model->store().infos()[layers.back()].range;
  model->store().mask()[fc.begin + 2] = 0;
  model->store().apply_mask();
  GradientMatrix G(model->store(), layers, 8);
  G.fill(*model, data.train, preprocessing, examples(8));
  const auto column = static_cast<std::size_t>(G.layer_columns().back().begin + 2);
  for (Index m = 0; m < 8; ++m) EXPECT_EQ(G.row(m)[column], Real(0));
  EXPECT_NE(G.row(0)[column + 1], Real(0));
  double sum = 0;
  for (Index m = 0; m < 8; ++m) sum += static_cast<double>(G.row(m)[column + 1]);
  EXPECT_NEAR(G.mean()[column + 1], sum / 8, 1e-12);
}

TEST_F(GradientMatrixTest, SameBitsOnOneThreadAndTwo) {
  GradientMatrix one(model->store(), layers, 40), two(model->store(), layers, 40);
  set_threads(1);
  one.fill(*model, data.train, preprocessing, examples(40));
  set_threads(2);
  two.fill(*model, data.train, preprocessing, examples(40));
  EXPECT_EQ(std::memcmp(one.row(0).data(), two.row(0).data(),
                        sizeof(Real) * static_cast<std::size_t>(40 * one.cols())),
            0);
}

}  // namespace
}  // namespace espalier
