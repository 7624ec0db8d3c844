// Many dampenings from one decomposition: the same inverse as Cholesky factors give,
// for both shapes of block.
#include "pruning/inverse/spectral.h"

#include <gtest/gtest.h>

#include "tests/support/pruning.h"

namespace espalier {
namespace {

TEST(Spectral, AgreesWithCholeskyForEveryDampening) {
  const Index d = 60;
  for (const Index n : {0, 1, 20, 200}) {  // Gram and primal blocks
    const DenseRows rows(n, d, random_values(static_cast<std::size_t>(n * d), 3));
    const std::vector<Range> layers{{0, 25}, {25, 60}};
    const auto kind = made<InverseSettings>("\"layer\"");
    const auto family = kind->family(rows, layers);
    const std::vector<double> damps{1e-6, 1e-4, 1e-2, 1, 100};
    family->prepare(damps);
    const std::vector<double> v = random_values(d, 4);
    for (const double damp : damps) {
      SCOPED_TRACE(fmt::format("N {} damp {}", n, damp));
      const auto expected = kind->build(rows, layers, damp), got = family->at(damp);
      std::vector<double> a(d), b(d);
      expected->apply(v, a);
      got->apply(v, b);
      double scale = 0;
      for (const double x : a) scale = std::max(scale, std::abs(x));
      for (std::size_t q = 0; q < d; ++q) {
        // What it is for asks for three digits;
        // 1e-16 times the condition, |F| / damp ~ 1e8, is what it promises.
        EXPECT_NEAR(got->diagonal()[q], expected->diagonal()[q], 1e-6 * expected->diagonal()[q]);
        EXPECT_NEAR(b[q], a[q], 1e-6 * scale);
        EXPECT_GT(got->diagonal()[q], 0);
      }
    }
  }
}

TEST(Spectral, ADampeningNobodyAnnouncedWorksToo) {
  const DenseRows rows(10, 30, random_values(300, 5));
  const std::vector<Range> layers{{0, 30}};
  const auto kind = made<InverseSettings>("\"full\"");
  const auto family = kind->family(rows, layers);
  const auto expected = kind->build(rows, layers, 0.3);
  const auto got = family->at(0.3);
  for (std::size_t q = 0; q < 30; ++q) EXPECT_NEAR(got->diagonal()[q], expected->diagonal()[q], 1e-9);
}

TEST(Spectral, TheSpectrumIsThatOfF) {
  const DenseRows rows(2, 3, {3, 0, 0, 0, 4, 0});  // F = diag(9, 16, 0) / 2
  const std::vector<Range> layers{{0, 3}};
  const std::vector<double> spectrum = made<InverseSettings>("\"layer\"")->family(rows, layers)->spectrum();
  ASSERT_EQ(spectrum.size(), 2U);
  EXPECT_NEAR(spectrum[0], 4.5, 1e-12);
  EXPECT_NEAR(spectrum[1], 8, 1e-12);
}

}  // namespace
}  // namespace espalier
