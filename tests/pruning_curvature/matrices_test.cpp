// Every curvature matrix by every way of computing it against a naive one-batch reference, on a network with
// convolutions, batch norm, a residual block and both poolings.
#include <gtest/gtest.h>

#include "framework/autograd/backward.h"
#include "framework/core/parallel.h"
#include "pruning/curvature/compare.h"
#include "pruning/curvature/dense.h"
#include "pruning/curvature/products.h"
#include "tests/support/curvature.h"
#include "tests/support/precision.h"

namespace espalier::test {
namespace {

constexpr Index count = 11;
// Sums of a few hundred products; matrices are compared relative to their largest entry.
constexpr double close = sizeof(Real) == 8 ? 1e-11 : 2e-5;

struct ConvNet {
  std::unique_ptr<Model> model = conv_net();
  TensorExamples examples = random_examples(count, {6, 6, 2}, 3, 5);
  std::vector<ParameterId> layers = weights_of(*model);
  SquareMatrix block(CurvatureKind kind, ParameterId layer) const {
    return curvature_block({*model, examples, {layer}, kind});
  }
};

TEST(SoftmaxRoot, IsASquareRootOfDiagPMinusPP) {
  for (const std::vector<double>& p : {std::vector{0.2, 0.5, 0.3},
                                       {1.0, 0.0, 0.0},
                                       {0.0, 0.0, 1.0},
                                       {0.5, 0.5, 0.0, 0.0},
                                       {1e-300, 1.0, 1e-200, 1e-17}}) {
    const auto k = static_cast<Index>(p.size());
    SquareMatrix product(k);
    std::vector<double> column(p.size());
    for (Index c = 0; c + 1 < k; ++c) {
      softmax_root(p, c, column);
      for (Index i = 0; i < k; ++i)
        for (Index j = 0; j < k; ++j) product(i, j) += column[i] * column[j];
    }
    for (Index i = 0; i < k; ++i)
      for (Index j = 0; j < k; ++j) {
        const double pi = p[i], pj = p[j];
        EXPECT_NEAR(product(i, j), (i == j ? pi : 0) - pi * pj, 1e-15);
      }
  }
}

// The identity of mathematics.md section 2: a layer's block of the Hessian has no term beyond Gauss-Newton.
TEST(CurvatureMatrices, BlockOfALayerByRowsIsTheHessianByProducts) {
  const ConvNet net;
  ASSERT_EQ(net.layers.size(), 4u);
  for (const ParameterId layer : net.layers) {
    const SquareMatrix by_rows = net.block(Hessian{}, layer);
    const auto by_products = hessian_block_by_products(*net.model, net.examples, layer, layer, 4);
    EXPECT_GT(frobenius_norm(by_products), 1e-3);
    EXPECT_LE(relative_difference(by_rows.values, by_products), close) << "layer " << layer;
    const auto gauss_newton =
        mean_of(gauss_newton_block(logits_of(*net.model, net.examples), net.model->store().var(layer),
                                   net.model->store().var(layer)),
                count);
    EXPECT_LE(relative_difference(by_rows.values, gauss_newton), close);
  }
}

TEST(CurvatureMatrices, EmpiricalFisherIsTheMeanOfOuterProducts) {
  const ConvNet net;
  for (const ParameterId layer : net.layers)
    EXPECT_LE(relative_difference(
                  net.block(FisherKind::empirical, layer).values,
                  naive_outer_products(*net.model, net.examples, {layer}, net.examples.labels).values),
              close);
}

TEST(CurvatureMatrices, MonteCarloFisherUsesTheLabelsDrawn) {
  const ConvNet net;
  const ParameterId layer = net.layers[2];
  const LabelDraw draw{.samples = 2, .seed = 7};
  const Tensor logits = logits_of(*net.model, net.examples).value();
  std::vector<double> expected;
  for (int s = 0; s < draw.samples; ++s) {
    const SquareMatrix one =
        naive_outer_products(*net.model, net.examples, {layer},
                             draw_labels(logits, TensorExamples::numbers({0, count}), draw.seed, s));
    if (expected.empty()) expected.resize(one.values.size());
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += one.values[i] / draw.samples;
  }
  const CurvatureRows rows(*net.model, net.examples, {layer}, FisherKind::sampled, draw);
  EXPECT_LE(relative_difference(curvature_block(rows).values, expected), close);
  for (const Index per_pass : {count, Index{3}}) {
    const auto product =
        curvature_product(*net.model, net.examples, {layer}, FisherKind::sampled, draw, per_pass);
    EXPECT_LE(relative_difference(dense(*product).values, expected), close)
        << "micro-batches of " << per_pass;
  }
}

TEST(CurvatureMatrices, MonteCarloApproachesTheTrueFisher) {
  const ConvNet net;
  const ParameterId layer = net.layers.back();
  const SquareMatrix exact = net.block(FisherKind::exact, layer);
  const auto error = [&](int samples) {
    SquareMatrix m =
        curvature_block({*net.model, net.examples, {layer}, FisherKind::sampled, {.samples = samples}});
    for (std::size_t i = 0; i < m.values.size(); ++i) m.values[i] -= exact.values[i];
    return frobenius_norm(m.values) / frobenius_norm(exact.values);
  };
  const double few = error(4), many = error(400);
  EXPECT_LT(many, few / 3) << "100 times as many draws: a tenth of the error, give or take its own spread";
}

TEST(CurvatureMatrices, ProductsOverAllLayersJointly) {
  const ConvNet net;
  const Index d = layer_columns(net.model->store(), net.layers).back().end;
  std::vector<Var> parameters;
  for (const ParameterId id : net.layers) parameters.push_back(net.model->store().var(id));
  const Var logits = logits_of(*net.model, net.examples);
  const std::vector<Real> v = normal_values(d, 9);
  ParameterVector direction;
  for (std::size_t l = 0, at = 0; l < parameters.size();
       at += static_cast<std::size_t>(parameters[l++].value().size()))
    direction.push_back(
        Tensor::from(parameters[l].shape(), std::span(v).subspan(at, parameters[l].value().size())));
  const auto flat = [](const ParameterVector& parts) {
    std::vector<double> all;
    for (const Tensor& t : parts)
      for (const Real x : t.values()) all.push_back(static_cast<double>(x) / count);
    return all;
  };
  const std::vector<double> in(v.begin(), v.end());
  std::vector<double> out(in.size());
  for (const Index per_pass : {count, Index{4}}) {
    curvature_product(*net.model, net.examples, net.layers, Hessian{}, {}, per_pass)->apply(in, out);
    EXPECT_LE(relative_difference(out, flat(hessian_vector(cross_entropy(logits, net.examples.labels),
                                                           parameters, direction))),
              close);
    curvature_product(*net.model, net.examples, net.layers, FisherKind::exact, {}, per_pass)->apply(in, out);
    EXPECT_LE(relative_difference(out, flat(gauss_newton_vector(logits, parameters, direction))), close);
    curvature_product(*net.model, net.examples, net.layers, FisherKind::empirical, {}, per_pass)
        ->apply(in, out);
    const SquareMatrix fisher =
        naive_outer_products(*net.model, net.examples, net.layers, net.examples.labels);
    std::vector<double> expected(out.size());
    DenseOperator(fisher).apply(in, expected);
    EXPECT_LE(relative_difference(out, expected), close);
  }
}

TEST(CurvatureMatrices, DiagonalAndPartsAgreeWithTheBlock) {
  const ConvNet net;
  const ParameterId layer = net.layers[1];
  for (const CurvatureKind kind : std::initializer_list<CurvatureKind>{
           Hessian{}, FisherKind::exact, FisherKind::sampled, FisherKind::empirical}) {
    const CurvatureRows rows(*net.model, net.examples, {layer}, kind);
    const SquareMatrix block = curvature_block(rows);
    std::vector<double> diagonal;
    for (Index q = 0; q < block.size; ++q) diagonal.push_back(block(q, q));
    EXPECT_LE(relative_difference(curvature_diagonal(rows), diagonal), close);
    const Range part{5, 29};
    EXPECT_LE(relative_difference(curvature_block({*net.model, net.examples, {layer}, kind, {}, part}).values,
                                  part_of(block, part, part)),
              close);
  }
}

TEST(CurvatureMatrices, MeansOverTheFirstExamplesComeInOnePass) {
  const ConvNet net;
  const CurvatureRows rows(*net.model, net.examples, {net.layers[0]}, Hessian{});
  const TensorExamples first(net.examples.images.slice({0, 4}),
                             {net.examples.labels.begin(), net.examples.labels.begin() + 4});
  BlockSum sum(rows.cols());
  const auto add = [&](const RowPanel& panel) { sum.add(panel); };
  rows.stream({0, 4}, add);
  EXPECT_LE(relative_difference(sum.mean().values,
                                curvature_block({*net.model, first, {net.layers[0]}, Hessian{}}).values),
            close);
  rows.stream({4, count}, add);
  EXPECT_LE(relative_difference(sum.mean().values, curvature_block(rows).values), close);
}

TEST(CurvatureMatrices, PrunedWeightsHaveZeroRowsAndColumns) {
  ConvNet net;
  const ParameterId layer = net.layers[1];
  const Range place = net.model->store().infos()[layer].range;
  const SquareMatrix before = net.block(FisherKind::empirical, layer);
  net.model->store().mask()[place.begin + 7] = 0;  // the value stays: only the mask counts
  for (const CurvatureKind kind : std::initializer_list<CurvatureKind>{Hessian{}, FisherKind::empirical}) {
    const SquareMatrix block = net.block(kind, layer),
                       product = dense(*curvature_product(*net.model, net.examples, {layer}, kind));
    EXPECT_LE(relative_difference(product.values, block.values), close);
    for (Index j = 0; j < block.size; ++j) EXPECT_EQ(block(7, j), 0);
    EXPECT_GT(block(8, 8), 0);
  }
  EXPECT_GT(before(7, 7), 0);
}

TEST(CurvatureMatrices, SameBitsOnOneThreadAndTwo) {
  const ConvNet net;
  const auto compute = [&](int n) {
    set_threads(n);
    std::vector<double> all = net.block(Hessian{}, net.layers[1]).values;
    const std::vector<double> v(all.begin(), all.begin() + 81);
    std::vector<double> out(81);
    curvature_product(*net.model, net.examples, {net.layers[1]}, Hessian{})->apply(v, out);
    all.insert(all.end(), out.begin(), out.end());
    set_threads(0);
    return all;
  };
  EXPECT_TRUE(same_bits(compute(1), compute(2)));
}

TEST(CurvatureMatrices, TheIdentityIsRefusedBetweenLayers) {
  const ConvNet net;
  EXPECT_THROW(CurvatureRows(*net.model, net.examples, {net.layers[0], net.layers[1]}, Hessian{}), Error);
}

TEST(CurvatureCompare, KnownValues) {
  const std::vector<double> a{1, 2, 3, 4}, b{10, 20, 30, 1000}, c{4, 3, 2, 1}, flat{5, 5, 5, 5};
  EXPECT_NEAR(rank_correlation(a, b), 1, 1e-15);
  EXPECT_NEAR(rank_correlation(a, c), -1, 1e-15);
  EXPECT_TRUE(std::isnan(rank_correlation(a, flat)));
  // Ranks with ties 0.5 0.5 2 3 against 0 1 2 3: Pearson of the two by hand.
  EXPECT_NEAR(rank_correlation(std::vector<double>{1, 1, 2, 3}, a), 4.5 / std::sqrt(4.5 * 5), 1e-15);
  EXPECT_NEAR(cosine(std::vector<double>{1, 0}, std::vector<double>{1, 1}), std::sqrt(0.5), 1e-15);
  SquareMatrix m(3);
  m.values = {1, 2, 3, 2, 4, 5, 3, 5, 6};
  const double all = 1 + 4 + 9 + 4 + 16 + 25 + 9 + 25 + 36;
  EXPECT_NEAR(mass_in_blocks(m, 1), (1 + 16 + 36) / all, 1e-15);
  EXPECT_NEAR(mass_in_blocks(m, 2), (1 + 4 + 4 + 16 + 36) / all, 1e-15);
  EXPECT_EQ(mass_in_blocks(m, 7), 1);
}

}  // namespace
}  // namespace espalier::test
