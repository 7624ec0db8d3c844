// Lesson 4. The inverse of the damped empirical Fisher, two ways. The paper adds one gradient at a time
// (Sherman-Morrison): N updates of a d x d matrix. Woodbury's identity gives the same matrix from one N x N
// system, and never forms d x d.
#include <gtest/gtest.h>

#include "tests/support/pruning.h"

namespace espalier {
namespace {

TEST(Lesson04, TheRecursionAndTheGramFormAreTheSameMatrix) {
  // Two gradients of three weights, dampening 1: F = I + (g1 g1' + g2 g2') / 2.
  const DenseRows G(2, 3,
                    {1, 2, 0,  //
                     0, 1, -1});
  const std::vector<Range> one_layer{{0, 3}};
  const auto recursion = made<InverseSettings>("\"dense\"")->build(G, one_layer, 1);
  const auto gram = made<InverseSettings>("\"full\"")->build(G, one_layer, 1);

  // By hand: F = [3/2 1 0; 1 7/2 -1/2; 0 -1/2 3/2], and its inverse is
  const double by_hand[3][3] = {
      {5.0 / 6, -1.0 / 4, -1.0 / 12}, {-1.0 / 4, 3.0 / 8, 1.0 / 8}, {-1.0 / 12, 1.0 / 8, 17.0 / 24}};
  std::vector<double> column(3);
  for (Index q = 0; q < 3; ++q) {
    for (const auto* inverse : {recursion.get(), gram.get()}) {
      inverse->column(q, column);
      for (std::size_t p = 0; p < 3; ++p) EXPECT_NEAR(column[p], by_hand[p][q], 1e-15);
      EXPECT_NEAR(inverse->diagonal()[q], by_hand[q][q], 1e-15);
    }
  }
}

TEST(Lesson04, AWeightWithoutGradientsIsHeldByTheDampeningAlone) {
  const DenseRows G(2, 2,
                    {1, 0,  //
                     2, 0});
  const std::vector<Range> one_layer{{0, 2}};
  const auto inverse = made<InverseSettings>("\"full\"")->build(G, one_layer, 0.1);
  EXPECT_NEAR(inverse->diagonal()[0], 1 / (0.1 + 2.5), 1e-15);  // 1 / (damp + mean of g^2)
  EXPECT_NEAR(inverse->diagonal()[1], 1 / 0.1, 1e-12);
}

}  // namespace
}  // namespace espalier
