// Lesson 6. On a quadratic loss: setting weights to zero costs most, the paper's sum of single updates less,
// the joint update of the whole set least. And the two cheapest single removals may be the worst pair.
#include <gtest/gtest.h>

#include <algorithm>

#include "pruning/update/update.h"
#include "tests/support/pruning.h"

namespace espalier {
namespace {

double cost(const DenseFisher& F, const std::vector<double>& d) {
  const std::vector<double> Fd = F.times(F.matrix, d);
  double sum = 0;
  for (std::size_t q = 0; q < d.size(); ++q) sum += 0.5 * d[q] * Fd[q];
  return sum;
}

TEST(Lesson06, JointIsTheBestMoveForEverySet) {
  const Index d = 30;
  const DenseRows G(12, d, random_values(12 * 30, 21));
  const std::vector<Range> layer{{0, d}};
  const std::vector<double> w = random_values(30, 22);
  const double damp = 0.05;
  const DenseFisher F(G, layer, damp);
  const auto kind = made<InverseSettings>("\"full\"");
  const QuadraticModel model{.w = w, .rows = &G, .layers = layer, .damp = damp, .kind = kind.get()};
  for (const std::size_t count : {1, 5, 15}) {
    std::vector<bool> removed(30, false);
    std::fill_n(removed.begin(), count, true);
    const double zeroed = cost(F, compensate(model, {removed}, UpdateMode::none));
    const double sum = cost(F, compensate(model, {removed}, UpdateMode::simultaneous));
    const double joint = cost(F, compensate(model, {removed}, UpdateMode::joint));
    EXPECT_LT(joint, zeroed) << count;
    EXPECT_LE(joint, sum + 1e-12) << count;
  }
}

TEST(Lesson06, TheTwoCheapestRemovalsCanBeTheWorstPair) {
  // Weights 0 and 1 do the same: each can stand in for the other, so each alone is nearly free, and both
  // together are not.
  const DenseRows G(3, 3, {1, 1, 0, 1, 1.001, 0, 0, 0, 1});
  const std::vector<Range> layer{{0, 3}};
  const std::vector<double> w{1, 1, 0.5};
  const double damp = 1e-3;
  const DenseFisher F(G, layer, damp);
  const auto kind = made<InverseSettings>("\"full\"");
  const QuadraticModel model{.w = w, .rows = &G, .layers = layer, .damp = damp, .kind = kind.get()};
  const std::vector<double> rho = saliency_of("woodfisher", model);
  EXPECT_LT(rho[0], rho[2]);
  EXPECT_LT(rho[1], rho[2]);
  const double twins = cost(F, compensate(model, {{true, true, false}}, UpdateMode::joint));
  const double other = cost(F, compensate(model, {{true, false, true}}, UpdateMode::joint));
  EXPECT_GT(twins, 30 * other);
}

}  // namespace
}  // namespace espalier
