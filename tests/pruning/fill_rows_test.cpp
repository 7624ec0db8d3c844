// G from a real network: rows are the gradients that batches of one would
// give, mini-batch rows are their means, pruned weights have zero columns,
// and neither the number of threads nor the cut into passes changes a bit.
#include "pruning/rows/fill_rows.h"

#include <gtest/gtest.h>

#include <cstring>

#include "framework/autograd/backward.h"
#include "framework/core/parallel.h"
#include "framework/ops/ops.h"
#include "framework/train/evaluate.h"
#include "tests/support/pruning.h"

namespace espalier {
namespace {

struct FillRowsTest : testing::Test {
  FillRowsTest() {
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
  ImageExamples examples(Index count) {
    std::vector<Index> e;
    for (Index i = 0; i < count; ++i) e.push_back((i * 37) % data.train.size());
    return {data.train, preprocessing, e};
  }
  StoredRows rows_of(Index count) const { return {count, layer_columns(model->store(), layers).back().end}; }
  DataSource data;
  Preprocessing preprocessing;
  std::unique_ptr<Model> model;
  std::vector<ParameterId> layers;
};

TEST_F(FillRowsTest, RowsAreGradientsOfSingleExamples) {
  const auto chosen = examples(70);  // more than one pass
  StoredRows G = rows_of(70);
  const double loss = fill_rows(*model, layers, chosen, G);
  EXPECT_NEAR(loss, mean_loss(*model, chosen), 1e-6);
  for (const Index m : {Index{0}, Index{33}, Index{64}, Index{69}}) {
    const std::vector<double> expected = alone(chosen.indices()[m]);
    double norm = 0;
    for (const double e : expected) norm = std::max(norm, std::abs(e));
    for (std::size_t q = 0; q < expected.size(); ++q)
      EXPECT_NEAR(G.row(m)[q], expected[q], 1e-5 * norm)
          << "row " << m << ", weight " << q;  // float32, other summation order
  }
}

TEST_F(FillRowsTest, MiniBatchRowsAreMeans) {
  for (const Index size : {3, 50}) {  // within one pass, and across passes
    const auto chosen = examples(3 * size);
    StoredRows rows = rows_of(3), singles = rows_of(3 * size);
    fill_rows(*model, layers, chosen, rows);
    fill_rows(*model, layers, chosen, singles);
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

TEST_F(FillRowsTest, PrunedWeightsHaveZeroColumnsAndTheMeanIsThatOfTheRows) {
  const Range fc = model->store().infos()[layers.back()].range;
  model->store().mask()[fc.begin + 2] = 0;
  model->store().apply_mask();
  StoredRows G = rows_of(8);
  fill_rows(*model, layers, examples(8), G);
  const Index column = layer_columns(model->store(), layers).back().begin + 2;
  for (Index m = 0; m < 8; ++m) EXPECT_EQ(G.row(m)[column], Real(0));
  EXPECT_NE(G.row(0)[column + 1], Real(0));
  double sum = 0;
  for (Index m = 0; m < 8; ++m) sum += static_cast<double>(G.row(m)[column + 1]);
  EXPECT_NEAR(G.mean()[column + 1], sum / 8, 1e-12);
}

TEST_F(FillRowsTest, SameBitsOnOneThreadAndTwo) {
  StoredRows one = rows_of(40), two = rows_of(40);
  set_threads(1);
  fill_rows(*model, layers, examples(40), one);
  set_threads(2);
  fill_rows(*model, layers, examples(40), two);
  EXPECT_EQ(std::memcmp(one.row(0).data(), two.row(0).data(),
                        sizeof(Real) * static_cast<std::size_t>(40 * one.cols())),
            0);
}

}  // namespace
}  // namespace espalier
