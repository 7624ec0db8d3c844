// Lesson 7. From a real layer to one pruned weight: what the six lessons before are for, in the order in
// which a pruning step goes through them, on a small network that has learned to tell three patterns apart.
#include <gtest/gtest.h>

#include <algorithm>

#include "pruning/rows/network_rows.h"
#include "pruning/step/trial.h"
#include "pruning/update/update.h"
#include "tests/support/small_network.h"

namespace espalier {
namespace {

struct Lesson07 : testing::Test {
  SmallNetwork net{
      R"([{"type": "max_pool", "kernel": 4}, "flatten", {"type": "linear", "name": "fc1", "out": 6},
                       "relu", {"type": "linear", "name": "fc2", "out": 3}])"};
  const ImageExamples examples = net.examples(300);

  /// Where the weights of these layers lie; without names: of all layers.
  PrunableLayers layers(const std::vector<std::string>& names = {}) const {
    PruneConfig config;
    config.include = names;
    return {config, *net.model};
  }
  NetworkRows rows(const PrunableLayers& of, const ImageExamples& chosen) const {
    return {*net.model, of.ids, chosen, {.rows = chosen.size()}};
  }
  std::vector<double> weights(const PrunableLayers& of) const {
    return of.gather(net.model->store().values());
  }
  void SetUp() override {  // Lesson 1: sixty steps against the gradient, which is the mean of the rows
    const PrunableLayers all = layers();
    for (int step = 0; step < 60; ++step) {
      const NetworkRows G = rows(all, examples);
      std::vector<double> delta(G.mean().begin(), G.mean().end());
      for (double& x : delta) x *= -0.3;
      all.put(net.model->store(), weights(all), std::vector<bool>(delta.size()), delta);
    }
  }
};

TEST_F(Lesson07, FromARealLayerToOnePrunedWeight) {
  const PrunableLayers fc1 = layers({"fc1"});
  const std::vector<double> w = weights(fc1);
  const auto d = static_cast<Index>(w.size());  // 6 outputs of 18 inputs

  // Rows (lesson 2). One reverse pass gives a row for each example: the gradient of a batch of it alone.
  const NetworkRows G = rows(fc1, examples);
  const ImageExamples only_7(net.data.train, net.preprocessing, {examples.indices()[7]});
  const std::vector<double> all = all_of(G), alone = all_of(rows(fc1, only_7));
  for (Index p = 0; p < d; ++p) EXPECT_NEAR(all[7 * d + p], alone[p], 1e-5);

  // The inverse (lessons 3 and 4) of F = damp I + G'G / N, which stands for the Hessian and is never formed.
  const double damp = 1e-3;
  const std::vector<Range> one_layer{{0, d}};
  const auto inverse = made<InverseSettings>("\"full\"")->build(G, one_layer, damp);
  const std::span<const double> diagonal = inverse->diagonal();

  // Saliencies (lesson 5): what a weight's removal costs if the others make the best of it.
  std::vector<double> rho(d);
  for (Index p = 0; p < d; ++p) rho[p] = w[p] * w[p] / (2 * diagonal[p]);

  // The mask: the weight that costs least leaves.
  const Index q = std::min_element(rho.begin(), rho.end()) - rho.begin();
  std::vector<bool> removed(d, false);
  removed[q] = true;

  // The update (lessons 5 and 6): the others move along column q of F^-1, which takes w_q to zero.
  const auto move_without = [&](Index p) {
    std::vector<double> delta(d);
    inverse->column(p, delta);
    for (double& x : delta) x *= -w[p] / diagonal[p];
    return delta;
  };
  const std::vector<double> delta = move_without(q);
  EXPECT_NEAR(delta[q], -w[q], 1e-9 * std::abs(w[q]));

  // Predicted: g'delta + 1/2 |G delta|^2 / N. Its second part and the dampening's share are rho_q.
  const Prediction predicted = predict(G, G.mean(), delta, damp);
  EXPECT_NEAR(predicted.quadratic + predicted.damping, rho[q], 1e-6 * rho[q]);

  // Measured: the network's own loss, after and before.
  Trial trial(*net.model, fc1, examples);
  const double before = trial.loss();
  EXPECT_NEAR(trial.loss(delta) - before, predicted.change(), 0.1 * std::abs(predicted.change()));

  // Every weight in turn, not only the cheapest: the model is one of small moves, but it knows which weights
  // are dear, and letting the others move saves most of what zeroing alone would cost.
  double zeroed = 0, compensated = 0, cheaper_half = 0, dearer_half = 0;
  std::vector<double> sorted = rho;
  std::sort(sorted.begin(), sorted.end());
  for (Index p = 0; p < d; ++p) {
    std::vector<double> only_p(d, 0.0);
    only_p[p] = -w[p];
    zeroed += trial.loss(only_p) - before;
    const double cost = trial.loss(move_without(p)) - before;
    compensated += cost;
    (rho[p] < sorted[d / 2] ? cheaper_half : dearer_half) += cost;
  }
  EXPECT_LT(compensated, zeroed / 5);
  EXPECT_LT(cheaper_half, dearer_half / 5);

  // The decision enters the network: w_q is exactly zero, masked, and the loss is the one measured.
  fc1.put(net.model->store(), w, removed, delta);
  EXPECT_EQ(weights(fc1)[q], 0);
  EXPECT_EQ(fc1.pruned(net.model->store()), removed);
  EXPECT_NEAR(trial.loss() - before, predicted.change(), 0.1 * std::abs(predicted.change()));
}

}  // namespace
}  // namespace espalier
