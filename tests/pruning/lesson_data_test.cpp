// The lesson's numbers against dense references: matrices of chosen weights against products with every unit
// vector, the line against the loss itself, and the choices against their own words.
#include "pruning/explain/lesson_data.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "pruning/curvature/compare.h"
#include "pruning/curvature/products.h"
#include "tests/support/small_network.h"

namespace espalier {
namespace {

TEST(LessonData, TakesTheWindowAndFiltersOfLargestTrace) {
  const LayerView layer{.name = "a", .columns = {3, 3 + 4 * 6}, .shape = {4, 6}};
  std::vector<double> diagonal(3 + 24, 0.1);
  const auto at = [&](Index filter, Index input) -> double& { return diagonal[3 + filter * 6 + input]; };
  at(2, 3) = at(2, 4) = 5;  // filter 2 has the most, in inputs 3 and 4
  at(0, 3) = 2;
  at(3, 0) = 4;  // much, but outside the window
  const LessonWeights chosen = choose_lesson_weights(layer, diagonal, 4, 2);
  EXPECT_EQ(chosen.first_input, 3);
  EXPECT_EQ(chosen.filters, (std::vector<Index>{0, 2}));
  EXPECT_EQ(chosen.columns, (std::vector<Index>{6, 7, 18, 19}));
  EXPECT_EQ(chosen.block(24), (std::vector<Index>{18, 19}));
  const LessonWeights all = choose_lesson_weights(layer, diagonal, 128, 32);
  EXPECT_EQ(all.columns.size(), 24U) << "a small layer is shown whole";
  EXPECT_EQ(lesson_layers(7), (std::vector<std::size_t>{0, 2, 4, 6}));
  EXPECT_EQ(lesson_layers(3), (std::vector<std::size_t>{0, 1, 2}));
  EXPECT_EQ(lesson_layers(1), (std::vector<std::size_t>{0}));
}

TEST(LessonData, TakesAsManyExamplesAsTheWorkAllows) {
  const SmallNetwork net;
  const double each = 2.0 * static_cast<double>(net.model->macs()) * (3 + 1);
  EXPECT_EQ(lesson_examples(*net.model, 400, 300 * each), (std::vector<Index>{10, 30, 100, 300}));
  EXPECT_EQ(lesson_examples(*net.model, 400, 299 * each), (std::vector<Index>{10, 30, 100}));
  EXPECT_EQ(lesson_examples(*net.model, 400, 1e18), (std::vector<Index>{10, 30, 100, 300}));
  EXPECT_EQ(lesson_examples(*net.model, 7, 0), (std::vector<Index>{7}));
}

/// A matrix over all weights of `layer`, column by column, by products over the first n examples.
SquareMatrix by_products(const SmallNetwork& net, ParameterId layer, CurvatureKind kind, Index n,
                         std::uint64_t seed) {
  const ImageExamples first = net.examples(n);
  const auto product = curvature_product(*net.model, first, {layer}, kind, {.samples = 1, .seed = seed});
  SquareMatrix m(product->size());
  std::vector<double> unit(m.size, 0.0), column(unit.size());
  for (Index q = 0; q < m.size; ++q) {
    unit[q] = 1;
    product->apply(unit, column);
    for (Index p = 0; p < m.size; ++p) m(p, q) = column[p];
    unit[q] = 0;
  }
  return m;
}

TEST(LessonData, MatricesAreThoseOfTheChosenWeights) {
  const SmallNetwork net;
  const std::vector<ParameterId> layers{net.layers[0], net.layers[2]};
  const std::vector<std::vector<Index>> chosen{{4, 5, 6, 40, 41}, {0, 17, 18}};
  const std::vector<Index> numbers{5, 12};
  const ImageExamples examples = net.examples(12);
  const auto found = lesson_matrices(*net.model, examples, layers, chosen, numbers, 9);
  for (std::size_t l = 0; l < layers.size(); ++l)
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      EXPECT_EQ(found[l][i].examples, numbers[i]);
      const auto check = [&](const SquareMatrix& got, CurvatureKind kind) {
        const SquareMatrix all = by_products(net, layers[l], kind, numbers[i], 9);
        const double scale = frobenius_norm(all.values);
        ASSERT_EQ(got.size, static_cast<Index>(chosen[l].size()));
        for (Index p = 0; p < got.size; ++p)
          for (Index q = 0; q < got.size; ++q)
            EXPECT_NEAR(got(p, q), all(chosen[l][p], chosen[l][q]), 1e-6 * scale)
                << name_of(kind) << " of layer " << l << " over " << numbers[i] << " examples";
      };
      check(found[l][i].hessian, Hessian{});  // second derivatives, not the identity
      check(found[l][i].sampled, FisherKind::sampled);
      check(found[l][i].empirical, FisherKind::empirical);
    }
  const auto error = [&](const SquareMatrix& block) {
    return hessian_product_error(*net.model, examples, layers[0], chosen[0], block, 1);
  };
  EXPECT_LT(error(found[0][1].hessian), 1e-4);
  EXPECT_GT(error(found[0][1].empirical), 1e-2) << "the empirical Fisher is not the Hessian";
}

TEST(LessonData, StudiesOneWeightAndTheLineToAFilterRemoved) {
  SmallNetwork net;
  LoadedData data{.source = net.data, .preprocessing = net.preprocessing, .augmentation = {}};
  PruneConfig config;
  read_config(JsonDocument::parse(
                  R"({"num_grads": 60, "damp": 1e-3, "inverse": "layer", "held_out_examples": 40})", "test"),
              config);
  WeightStudy study(*net.model, config, data, 1);
  // The diagonal and the saliencies, from G itself.
  const std::vector<double> g = all_of(study.rows());
  const std::vector<double> diagonal = fisher_diagonal(study.rows());
  const std::size_t d = diagonal.size(), q = 37;
  double sum = 0;
  for (std::size_t m = 0; m < 60; ++m) sum += g[m * d + q] * g[m * d + q] / 60;
  EXPECT_NEAR(diagonal[q], sum, 1e-12 * sum);
  const double w = study.weights()[q];
  EXPECT_DOUBLE_EQ(study.saliencies()[1].second[q], 0.5 * w * w * diagonal[q]);
  EXPECT_DOUBLE_EQ(study.saliencies()[2].second[q], w * w / (2 * study.inverse().diagonal()[q]));
  const std::vector<Opinion> opinions = study.opinions(static_cast<Index>(q));
  for (std::size_t c = 0; c < opinions.size(); ++c) {
    const std::vector<double>& saliency = study.saliencies()[c].second;
    EXPECT_EQ(opinions[c].rank,
              1 + std::count_if(saliency.begin(), saliency.end(), [&](double v) { return v < saliency[q]; }));
  }
  // Its removal: WoodFisher's move is -(w_q / [F^-1]_qq) F^-1 e_q, largest entries first.
  std::vector<double> column(d);
  study.inverse().column(static_cast<Index>(q), column);
  const std::vector<Absorber> absorbers = study.absorbers(static_cast<Index>(q), 5);
  ASSERT_EQ(absorbers.size(), 5U);
  for (const Absorber& a : absorbers)
    EXPECT_NEAR(a.delta, -w / study.inverse().diagonal()[q] * column[a.column], 1e-12);
  std::vector<double> rest;
  for (std::size_t p = 0; p < d; ++p)
    if (p != q) rest.push_back(std::abs(w / study.inverse().diagonal()[q] * column[p]));
  EXPECT_NEAR(std::abs(absorbers[0].delta), *std::max_element(rest.begin(), rest.end()), 1e-12);
  const auto removals = study.removals(static_cast<Index>(q), true);
  ASSERT_EQ(removals.size(), 3U);
  std::vector<double> zeroed(d, 0.0);
  zeroed[q] = -w;
  EXPECT_DOUBLE_EQ(removals[0].measured, study.loss(zeroed) - study.loss());
  EXPECT_DOUBLE_EQ(removals[0].held_out, study.removals(static_cast<Index>(q), true)[0].held_out);
  EXPECT_TRUE(std::isnan(study.removals(static_cast<Index>(q), false)[0].held_out));

  // A short line, on which the loss is its second-order model: the whole line is long, its start is not.
  const ImageExamples& examples = study.examples();
  std::vector<double> delta(d, 0.0);
  const Range layer = study.layers()[2].columns;
  for (Index i = 0; i < study.layers()[2].shape[1]; ++i) {
    const auto at = static_cast<std::size_t>(layer.begin + i);
    delta[at] = -0.05 * study.weights()[at];
  }
  const LossOnLine line = loss_on_line(*net.model, examples, study, delta, 4);
  ASSERT_EQ(line.t.size(), 5U);
  EXPECT_EQ(line.measured[0], 0);
  for (std::size_t i = 1; i < 5; ++i)
    EXPECT_NEAR(line.measured[i], line.slope * line.t[i] + line.hessian * line.t[i] * line.t[i] / 2,
                2e-6 + 0.02 * std::abs(line.slope * line.t[i]))
        << "t = " << line.t[i];
  const Prediction p = predict(study.rows(), study.rows().mean(), delta, 0);
  EXPECT_DOUBLE_EQ(line.empirical / 2, p.quadratic);
  // d'Hd from the dense Hessian of that layer.
  std::vector<Index> own(layer.size());
  std::iota(own.begin(), own.end(), Index{0});
  const std::vector<ParameterId> id{net.layers[2]};
  const std::vector<std::vector<Index>> all{own};
  const std::vector<Index> sixty{60};
  const SquareMatrix H = lesson_matrices(*net.model, examples, id, all, sixty, 1)[0][0].hessian;
  double quadratic = 0;
  for (Index i = 0; i < H.size; ++i)
    for (Index j = 0; j < H.size; ++j) quadratic += delta[layer.begin + i] * H(i, j) * delta[layer.begin + j];
  EXPECT_NEAR(line.hessian, quadratic, 1e-4 * quadratic);
}

}  // namespace
}  // namespace espalier
