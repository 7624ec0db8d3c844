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
  /// The model with the gradient step h = F^-1 g, and what it is without a gradient.
  QuadraticModel taylor{.w = w,
                        .g = g,
                        .rows = &G,
                        .layers = layer,
                        .damp = damp,
                        .kind = kind.get(),
                        .step_damp = damp,
                        .shorten_step = false};
  QuadraticModel fisher{.w = w, .rows = &G, .layers = layer, .damp = damp, .kind = kind.get()};
  Lesson05() { taylor.h = gradient_step(taylor); }

  double loss_change(const std::vector<double>& d, const std::vector<double>& gradient) const {
    const std::vector<double> Fd = F.times(F.matrix, d);
    double sum = 0;
    for (std::size_t q = 0; q < d.size(); ++q) sum += gradient[q] * d[q] + 0.5 * d[q] * Fd[q];
    return sum;
  }
};

TEST_F(Lesson05, NoOtherMoveThatRemovesTheWeightIsBetter) {
  for (std::size_t q = 0; q < 4; ++q) {
    std::vector<bool> removed(4, false);
    removed[q] = true;
    const std::vector<double> best = compensate(taylor, {removed}, UpdateMode::simultaneous);
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
      EXPECT_GE(loss_change(other, g), loss_change(best, g));
    }
  }
}

TEST_F(Lesson05, TheSaliencyIsThatMinimumUpToAConstant) {
  const std::vector<double> rho = saliency_of("woodtaylor", taylor);
  double constant = 0;  // -1/2 g' F^-1 g: what the gradient step gains whatever is removed
  for (std::size_t q = 0; q < 4; ++q) constant -= 0.5 * g[q] * taylor.h[q];
  for (std::size_t q = 0; q < 4; ++q) {
    std::vector<bool> removed(4, false);
    removed[q] = true;
    EXPECT_NEAR(loss_change(compensate(taylor, {removed}, UpdateMode::joint), g), rho[q] + constant, 1e-12);
  }
}

TEST_F(Lesson05, WithoutAGradientItIsWoodFisher) {
  QuadraticModel flat = taylor;
  flat.g.assign(4, 0.0);
  flat.h.assign(4, 0.0);
  EXPECT_EQ(saliency_of("woodtaylor", flat), saliency_of("woodfisher", fisher));
}

}  // namespace
}  // namespace espalier
