// Lesson 5. Remove weight q: what is the best the others can do? Minimise the quadratic model
//   g'd + 1/2 d'F d    subject to    w_q + d_q = 0.
// WoodTaylor's formulas are that minimum; WoodFisher's are the same with g = 0.
#include <gtest/gtest.h>

#include "pruning/update/update.h"
#include "tests/support/pruning.h"

namespace espalier {
namespace {

struct Lesson05 : testing::Test {
  DenseRows G{3, 4, random_values(12, 11)};
  std::vector<Range> layer{{0, 4}};
  std::vector<double> w{0.5, -1.0, 0.25, 2.0}, g{0.3, -0.2, 0.1, 0.4};
  double damp = 0.1;
  DenseFisher F{G, layer, damp};
  std::unique_ptr<InverseSettings> kind = made<InverseSettings>("\"full\"");
  std::unique_ptr<FisherInverse> inverse = kind->build(G, layer, damp);
  UpdateSettings settings{
      .inverse = kind.get(), .layers = layer, .damp = damp, .step_damp = damp, .step_search = false};

  double model(const std::vector<double>& d, const std::vector<double>& gradient) const {
    const std::vector<double> Fd = F.times(F.matrix, d);
    double sum = 0;
    for (std::size_t q = 0; q < d.size(); ++q) sum += gradient[q] * d[q] + 0.5 * d[q] * Fd[q];
    return sum;
  }
};

TEST_F(Lesson05, NoOtherMoveThatRemovesTheWeightIsBetter) {
  std::vector<double> h(4);
  inverse->apply(g, h);
  const PruneState state{.w = w, .g = g, .rows = &G, .inverse = inverse.get(), .step = h};
  for (std::size_t q = 0; q < 4; ++q) {
    std::vector<bool> removed(4, false);
    removed[q] = true;
    const std::vector<double> best = compensate(state, removed, UpdateMode::simultaneous, settings);
    EXPECT_EQ(w[q] + best[q], 0);
    // The slope g + F d vanishes on every free weight: only the constraint on q holds it back.
    const std::vector<double> Fd = F.times(F.matrix, best);
    for (std::size_t p = 0; p < 4; ++p)
      if (p != q) {
        EXPECT_NEAR(g[p] + Fd[p], 0, 1e-12) << "weight " << p << " could still move downhill";
      }
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      std::vector<double> other = random_values(4, seed, 0.3);
      for (std::size_t p = 0; p < 4; ++p) other[p] += best[p];
      other[q] = -w[q];
      EXPECT_GE(model(other, g), model(best, g));
    }
  }
}

TEST_F(Lesson05, TheStatisticIsThatMinimumUpToAConstant) {
  std::vector<double> h(4), rho(4);
  inverse->apply(g, h);
  const PruneState state{.w = w, .g = g, .rows = &G, .inverse = inverse.get(), .step = h};
  made<Criterion>("\"woodtaylor\"")->score(state, rho);
  double constant = 0;  // -1/2 g' F^-1 g: what the gradient step gains whatever is removed
  for (std::size_t q = 0; q < 4; ++q) constant -= 0.5 * g[q] * h[q];
  for (std::size_t q = 0; q < 4; ++q) {
    std::vector<bool> removed(4, false);
    removed[q] = true;
    EXPECT_NEAR(model(compensate(state, removed, UpdateMode::joint, settings), g), rho[q] + constant, 1e-12);
  }
}

TEST_F(Lesson05, WithoutAGradientItIsWoodFisher) {
  const std::vector<double> zero(4, 0.0);
  std::vector<double> taylor(4), fisher(4);
  made<Criterion>("\"woodtaylor\"")
      ->score({.w = w, .g = zero, .rows = &G, .inverse = inverse.get(), .step = zero}, taylor);
  made<Criterion>("\"woodfisher\"")->score({.w = w, .rows = &G, .inverse = inverse.get()}, fisher);
  EXPECT_EQ(taylor, fisher);
}

}  // namespace
}  // namespace espalier
