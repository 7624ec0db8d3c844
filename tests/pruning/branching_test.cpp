// What pruning gathers from a network, from one that is no list of layers: branches that share a value, a
// concatenation, a factor per channel. Rows, pairs, Kronecker factors, filters, re-estimated batch norm.
#include <gtest/gtest.h>

#include "framework/autograd/backward.h"
#include "framework/ops/ops.h"
#include "framework/train/evaluate.h"
#include "pruning/rows/network_rows.h"
#include "tests/support/small_network.h"

namespace espalier {
namespace {

struct BranchingNetwork : SmallNetwork {
  BranchingNetwork() {
    model = made<ModelSettings>(R"({"type": "graph", "steps": [
      {"op": "conv", "name": "stem", "out": 4, "stride": 2, "pad": 1}, {"op": "batch_norm", "name": "bn"}, {"op": "relu", "name": "x"},
      {"op": "conv", "name": "left", "in": ["x"], "out": 3, "kernel": [1, 3], "pad": [0, 1, 0, 1]}, {"op": "batch_norm", "name": "left_bn"},
      {"op": "conv", "name": "right", "in": ["x"], "out": 2, "kernel": 1},
      {"op": "concat", "name": "all", "in": ["left_bn", "right", "x", "right", "x"]},
      {"op": "global_average_pool", "name": "squeeze"}, {"op": "linear", "name": "gate", "out": 15}, {"op": "sigmoid", "name": "factor"},
      {"op": "mul", "name": "gated", "in": ["all", "factor"]},
      {"op": "global_average_pool", "name": "pool"}, {"op": "linear", "name": "fc", "out": 3}]})")
                ->build({12, 12, 2}, 3, 1);
    layers.clear();
    for (std::size_t i = 0; i < model->store().infos().size(); ++i)
      if (model->store().infos()[i].role == Role::weight) layers.push_back(static_cast<ParameterId>(i));
  }
  /// The gradient of one example's loss by the differentiable reverse pass.
  std::vector<double> alone(Index example) const {
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
  NetworkRows gather(Index n, RowOptions options) const {
    options.rows = n;
    return {*model, layers, examples(n), options};
  }
};

double largest_of(const std::vector<double>& v) {
  double largest = 0;
  for (const double x : v) largest = std::max(largest, std::abs(x));
  return largest;
}

TEST(BranchingNetwork, RowsAreGradientsOfSingleExamplesHoweverTheyAreKept) {
  const BranchingNetwork net;
  ASSERT_EQ(net.layers.size(), 5u);
  constexpr Index n = 20;
  const std::vector<double> dense = all_of(net.gather(n, {.factored = false})),
                            pairs = all_of(net.gather(n, {.factored = true}));
  const Index d = static_cast<Index>(dense.size()) / n;
  for (Index m = 0; m < n; ++m) {
    const std::vector<double> row = net.alone(net.examples(n).indices()[m]);
    for (Index q = 0; q < d; ++q) {
      ASSERT_NEAR(dense[m * d + q], row[q], 1e-5 * largest_of(row)) << "row " << m << ", weight " << q;
      ASSERT_NEAR(pairs[m * d + q], row[q], 1e-5 * largest_of(row)) << "row " << m << ", weight " << q;
    }
  }
}

TEST(BranchingNetwork, KroneckerFactorsOfOneExampleAreItsRow) {
  const BranchingNetwork net;
  const NetworkRows one = net.gather(1, {.kronecker = true, .factored = false});
  const std::vector<double> row = all_of(one);
  for (const std::size_t l : {std::size_t{3}, std::size_t{4}}) {  // the two linear layers
    const KroneckerFactor& k = one.kronecker()[l];
    const std::vector<double> own(row.begin() + k.columns.begin, row.begin() + k.columns.end);
    for (Index p = 0; p < k.columns.size(); ++p)
      for (Index q = 0; q < k.columns.size(); ++q)
        ASSERT_NEAR(
            k.s[p / k.inputs * k.outputs + q / k.inputs] * k.a[p % k.inputs * k.inputs + q % k.inputs],
            own[p] * own[q], 1e-6 * largest_of(own) * largest_of(own));
  }
  // A row of weights [1, 3] slides over the map: its input factor sums the patches that it meets.
  EXPECT_EQ(one.kronecker()[1].inputs, 3 * 4);
  EXPECT_EQ(one.kronecker()[1].positions, 36);
}

TEST(BranchingNetwork, LayersKnowTheirCosts) {
  const BranchingNetwork net;
  std::vector<double> macs;
  for (const LayerCost& cost : net.model->costs())
    macs.push_back(static_cast<double>(cost.macs / net.model->store().infos()[cost.weight].range.size()));
  EXPECT_EQ(macs, (std::vector<double>{36, 36, 36, 1, 1}))
      << "6x6 positions for each weight of a convolution";
}

TEST(BranchingNetwork, BatchNormIsReEstimatedOnEveryBranch) {
  BranchingNetwork net;
  LoadedData data;
  data.source = std::move(net.data);
  data.preprocessing = net.preprocessing;
  ParameterStore& store = net.model->store();
  std::fill(store.statistics().begin(), store.statistics().end(), Real(77));
  recalibrate_batch_norm(*net.model, data, 0, 1, 400);
  Batch batch;
  std::vector<Index> all(400);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<Index>(i);
  load_examples(data.source.train, data.preprocessing, all, batch);
  const std::vector<Real> estimated(store.statistics().begin(), store.statistics().end());
  Pass pass{.training = true, .statistics_momentum = 1};
  net.model->forward(batch.images, pass);
  ASSERT_EQ(estimated.size(), 2u * (4 + 3));
  for (std::size_t i = 0; i < estimated.size(); ++i) {
    EXPECT_NEAR(estimated[i], store.statistics()[i], 1e-4 * (1 + std::abs(store.statistics()[i]))) << i;
    EXPECT_NE(estimated[i], Real(77)) << i;
  }
}

}  // namespace
}  // namespace espalier
