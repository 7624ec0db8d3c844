// A study: several matrices of one layer or of layers jointly, as examples are added; and its pictures.
#include "pruning/curvature/study.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "pruning/curvature/compare.h"
#include "pruning/curvature/products.h"
#include "tests/support/curvature.h"
#include "tests/support/pruning.h"

namespace espalier::test {
namespace {

constexpr double close = sizeof(Real) == 8 ? 1e-11 : 2e-5;
const std::vector<CurvatureKind> kinds{Hessian{}, FisherKind::empirical, FisherKind::exact,
                                       FisherKind::sampled};

struct Net {
  std::unique_ptr<Model> model = conv_net();
  TensorExamples examples = random_examples(13, {6, 6, 2}, 3, 5);
  std::vector<ParameterId> layers = weights_of(*model);
  /// The matrix over the first n examples, column by column from products.
  SquareMatrix expected(const std::vector<ParameterId>& chosen, CurvatureKind kind, Index n) const {
    const TensorExamples first(examples.images.slice({0, n}),
                               {examples.labels.begin(), examples.labels.begin() + n});
    return dense(*curvature_product(*model, first, chosen, kind));
  }
};

TEST(CurvatureStudy, AddsExamplesToEveryMatrixOfOneLayerOrMore) {
  const Net net;
  // The joint one has a larger layer before a smaller one, and one between.
  for (const std::vector<ParameterId>& chosen :
       {std::vector{net.layers[1]}, {net.layers[1], net.layers[2], net.layers[3]}}) {
    CurvatureStudy study(*net.model, net.examples, chosen, {.kinds = kinds});
    EXPECT_EQ(study.passes(), chosen.size() == 1 ? 3 : 4)
        << "within a layer Hessian and true Fisher share one";
    for (const Index n : {5, 5, 13}) {
      study.extend_to(n);
      for (const CurvatureKind kind : kinds) {
        const SquareMatrix expected = net.expected(chosen, kind, n);
        EXPECT_LE(relative_difference(study.block(kind).values, expected.values), close)
            << name_of(kind) << " of " << chosen.size() << " layers, " << n << " examples";
        std::vector<double> diagonal;
        for (Index q = 0; q < expected.size; ++q) diagonal.push_back(expected(q, q));
        EXPECT_LE(relative_difference(study.diagonal(kind), diagonal), close);
      }
      EXPECT_LE(study.hessian_error(1), close);
    }
  }
}

TEST(CurvatureStudy, WithoutBlocksHasTheSameDiagonalsAndProducts) {
  const Net net;
  const std::vector<ParameterId> chosen{net.layers[1], net.layers[3]};
  CurvatureStudy study(*net.model, net.examples, chosen, {.kinds = kinds, .max_dense = 20});
  EXPECT_FALSE(study.dense());
  EXPECT_THROW(study.block(Hessian{}), Error);
  study.extend_to(6);
  for (const CurvatureKind kind : kinds) {
    const SquareMatrix expected = net.expected(chosen, kind, 6);
    std::vector<double> diagonal;
    for (Index q = 0; q < expected.size; ++q) diagonal.push_back(expected(q, q));
    EXPECT_LE(relative_difference(study.diagonal(kind), diagonal), close) << name_of(kind);
    const std::vector<double> v = random_values(diagonal.size(), 3);
    std::vector<double> a(v.size()), b(v.size());
    study.product(kind)->apply(v, a);
    DenseOperator(expected).apply(v, b);
    EXPECT_LE(relative_difference(a, b), close) << name_of(kind);
  }
}

TEST(CurvatureStudy, CountsItsExamplesAndCanBeStopped) {
  const Net net;
  Index seen = 0;
  CurvatureStudy study(*net.model, net.examples, {net.layers[0], net.layers[1]},
                       {.kinds = kinds, .progress = [&](Index n) { seen += n; }});
  study.extend_to(13);
  EXPECT_EQ(seen, 13 * study.passes());
  CurvatureStudy stopped(*net.model, net.examples, {net.layers[0]},
                         {.kinds = kinds, .progress = [](Index) { fail(ExitCode::interrupted, "stop"); }});
  EXPECT_THROW(stopped.extend_to(13), Error);
}

TEST(Smoothing, SpreadsAPointLikeAGaussianAndKeepsConstants) {
  SquareMatrix flat(9), point(41);
  std::fill(flat.values.begin(), flat.values.end(), 3.0);
  const SquareMatrix still = smoothed(flat, 2);
  for (const double v : still.values) EXPECT_NEAR(v, 3, 1e-14) << "up to the edges";
  point(20, 20) = 1;
  const SquareMatrix spread = smoothed(point, 2);
  EXPECT_NEAR(std::accumulate(spread.values.begin(), spread.values.end(), 0.0), 1, 1e-12);
  EXPECT_NEAR(spread(20, 22) / spread(20, 20), std::exp(-0.5), 1e-12) << "one sigma away";
  EXPECT_NEAR(spread(18, 22) / spread(20, 20), std::exp(-1.0), 1e-12);
  EXPECT_EQ(smoothed(point, 0).values, point.values);
}

TEST(Smoothing, ReducedCellsAreMeans) {
  SquareMatrix m(5);
  std::iota(m.values.begin(), m.values.end(), 0.0);
  const SquareMatrix small = reduced(m, 2);
  ASSERT_EQ(small.size, 3);
  EXPECT_EQ(small(0, 0), (0 + 1 + 5 + 6) / 4.0);
  EXPECT_EQ(small(0, 2), (4 + 9) / 2.0) << "the last cell is narrower";
  EXPECT_EQ(small(2, 2), 24);
}

}  // namespace
}  // namespace espalier::test
