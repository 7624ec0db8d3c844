// NetworkRows: whichever way the rows are kept (dense, as pairs of a linear layer, in a file) they are the
// same rows; what is gathered beside them is what it says.
#include "pruning/rows/network_rows.h"

#include <gtest/gtest.h>

#include "tests/support/small_network.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

NetworkRows gather(const SmallNetwork& net, Index n, RowOptions options) {
  options.rows = n;
  return {*net.model, net.layers, net.examples(n), options};
}

void expect_same(const std::vector<double>& expected, const std::vector<double>& got, double relative) {
  double largest = 0;
  for (const double v : expected) largest = std::max(largest, std::abs(v));
  ASSERT_EQ(expected.size(), got.size());
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], relative * largest) << i;
}

TEST(NetworkRows, PairsOfALinearLayerGiveItsDenseRows) {
  SmallNetwork net;
  for (const bool with_pruned : {false, true}) {
    if (with_pruned) {
      const Range fc = net.model->store().infos()[net.layers[2]].range;
      net.model->store().mask()[fc.begin + 5] = 0;
      net.model->store().apply_mask();
    }
    const NetworkRows dense = gather(net, 70, {.factored = false}),
                      pairs = gather(net, 70, {.factored = true});
    expect_same(all_of(dense), all_of(pairs), 1e-6);
    std::vector<double> part(70 * 200), whole = all_of(pairs);
    const Index from = pairs.cols() - 200;  // across two layers
    pairs.load({from, pairs.cols()}, part.data());
    for (Index m = 0; m < 70; ++m)
      for (Index j = 0; j < 200; ++j) ASSERT_EQ(part[m * 200 + j], whole[m * pairs.cols() + from + j]);
    EXPECT_EQ(pairs.gram_ranges().size(), with_pruned ? 1U : 2U)
        << "a masked layer is no outer product any more";
  }
}

TEST(NetworkRows, PairsGiveTheGramMatrixWithoutExpandingThem) {
  const SmallNetwork net;
  const NetworkRows pairs = gather(net, 20, {});
  const std::vector<double> g = all_of(pairs);
  for (const Range columns : pairs.gram_ranges()) {
    std::vector<double> gram(400, 1.0), expected(400, 1.0);  // added to what is there
    pairs.add_gram(columns, gram.data());
    for (std::size_t i = 0; i < 20; ++i)
      for (std::size_t j = 0; j < 20; ++j)
        for (auto q = static_cast<std::size_t>(columns.begin); q < static_cast<std::size_t>(columns.end); ++q)
          expected[i * 20 + j] += g[i * static_cast<std::size_t>(pairs.cols()) + q] *
                                  g[j * static_cast<std::size_t>(pairs.cols()) + q];
    expect_same(expected, gram, 1e-6);
  }
}

TEST(NetworkRows, AFileHoldsTheSameRowsAsMemory) {
  const SmallNetwork net;
  const testing::TempFolder folder;
  const NetworkRows memory = gather(net, 30, {.factored = false}),
                    file = gather(net, 30, {.factored = false, .scratch_folder = folder.path().string()});
  EXPECT_TRUE(all_of(memory) == all_of(file)) << "every bit";
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()))
      << "the file has no name, so a kill leaves nothing behind";
}

TEST(NetworkRows, AFolderWithoutRoomIsAnErrorBeforeAnyWork) {
  try {
    const ScratchMemory much("/dev/shm", std::size_t{1} << 50);
    FAIL() << "a pebibyte of scratch memory";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::io);
    EXPECT_NE(std::string(e.what()).find("/dev/shm"), std::string::npos) << e.what();
  }
}

TEST(NetworkRows, CentredRowsAreTheGradientsCovariance) {
  const SmallNetwork net;
  const NetworkRows plain = gather(net, 40, {}), centred = gather(net, 40, {.fisher = FisherKind::centred});
  const std::vector<double> g = all_of(plain), c = all_of(centred);
  const auto d = static_cast<std::size_t>(plain.cols());
  for (std::size_t q = 0; q < d; ++q) {
    double sum = 0, mean = 0;
    for (std::size_t m = 0; m < 40; ++m) {
      sum += c[m * d + q];
      mean += g[m * d + q] / 40;
    }
    EXPECT_NEAR(sum, 0, 1e-6);
    EXPECT_NEAR(centred.mean()[q], mean, 1e-7) << "g is that of the data";
    EXPECT_NEAR(c[q], g[q] - mean, 1e-7);
  }
  EXPECT_TRUE(centred.gram_ranges().empty());
}

TEST(NetworkRows, SampledLabelsLeaveTheGradientOfTheDataAlone) {
  const SmallNetwork net;
  const NetworkRows data = gather(net, 60, {}),
                    sampled = gather(net, 60, {.fisher = FisherKind::sampled, .seed = 3}),
                    again = gather(net, 60, {.fisher = FisherKind::sampled, .seed = 3}),
                    other = gather(net, 60, {.fisher = FisherKind::sampled, .seed = 4});
  EXPECT_NEAR(sampled.loss(), data.loss(), 1e-6);
  expect_same({data.mean().begin(), data.mean().end()}, {sampled.mean().begin(), sampled.mean().end()}, 1e-5);
  EXPECT_TRUE(all_of(sampled) == all_of(again));
  EXPECT_FALSE(all_of(sampled) == all_of(other));
  EXPECT_FALSE(all_of(sampled) == all_of(data));
}

TEST(NetworkRows, TheSameLabelsAreDrawnForPruningAndForCurvature) {
  // Both are functions of seed and example alone: no matter in which order, or after which others, it comes.
  const SmallNetwork net;
  const NetworkRows pruning = gather(net, 30, {.fisher = FisherKind::sampled, .factored = false, .seed = 3});
  const ImageExamples examples = net.examples(30);
  const StoredRows curvature(
      CurvatureRows(*net.model, examples, net.layers, FisherKind::sampled, {.samples = 1, .seed = 3}));
  expect_same(all_of(pruning), all_of(curvature), 1e-5);
}

TEST(NetworkRows, SampledLabelsFollowTheModelsProbabilities) {
  // The output gradient of example n is p_n - onehot(label): its mean over draws of the label vanishes.
  const SmallNetwork net;
  std::vector<double> mean(gather(net, 1, {}).cols(), 0.0);
  double size = 0;
  constexpr int draws = 400;
  for (int i = 0; i < draws; ++i) {
    const std::vector<double> row =
        all_of(gather(net, 1, {.fisher = FisherKind::sampled, .seed = static_cast<std::uint64_t>(i)}));
    double norm = 0;
    for (std::size_t q = 0; q < row.size(); ++q) {
      mean[q] += row[q] / draws;
      norm += row[q] * row[q];
    }
    size += norm / draws;
  }
  double of_mean = 0;
  for (const double v : mean) of_mean += v * v;
  EXPECT_LT(of_mean, 10 * size / draws) << "a mean of independent draws is smaller by their number";
}

}  // namespace
}  // namespace espalier
