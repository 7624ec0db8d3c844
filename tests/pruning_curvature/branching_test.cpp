// Rows, products and second derivatives of a network that is no list of layers: branches, shared values, a
// concatenation of more values than most ops have inputs, a factor per channel, smooth activations.
#include <gtest/gtest.h>

#include "pruning/curvature/dense.h"
#include "pruning/curvature/products.h"
#include "tests/support/curvature.h"
#include "tests/support/expect_error.h"

namespace espalier::test {
namespace {

constexpr Index count = 9;
constexpr double close = sizeof(Real) == 8 ? 1e-11 : 2e-5;

struct Branching {
  std::unique_ptr<Model> model = branching_net();
  TensorExamples examples = random_examples(count, {6, 6, 2}, 3, 5);
  std::vector<ParameterId> layers = weights_of(*model);
};

TEST(BranchingNetwork, EmpiricalFisherOfEveryLayerIsTheMeanOfOuterProducts) {
  const Branching net;
  ASSERT_EQ(net.layers.size(), 7u);
  for (const ParameterId layer : net.layers)
    EXPECT_LE(relative_difference(
                  curvature_block({*net.model, net.examples, {layer}, FisherKind::empirical}).values,
                  naive_outer_products(*net.model, net.examples, {layer}, net.examples.labels).values),
              close)
        << net.model->store().infos()[layer].name;
}

TEST(BranchingNetwork, TrueFisherByRowsIsThatByProducts) {
  const Branching net;
  const std::vector<ParameterId> some{net.layers[0], net.layers[2], net.layers[4], net.layers[6]};
  const auto product = curvature_product(*net.model, net.examples, some, FisherKind::exact);
  EXPECT_LE(relative_difference(curvature_block({*net.model, net.examples, some, FisherKind::exact}).values,
                                dense(*product).values),
            close);
}

TEST(BranchingNetwork, HessianByProductsMatchesDifferencesOfGradients) {
  if (sizeof(Real) != 8) GTEST_SKIP() << "differences need float64";
  Branching net;
  const Index d = layer_columns(net.model->store(), net.layers).back().end;
  std::vector<double> v(static_cast<std::size_t>(d)), product(v.size());
  const std::vector<Real> noise = normal_values(d, 9);
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = static_cast<double>(noise[i]);
  curvature_product(*net.model, net.examples, net.layers, Hessian{})->apply(v, product);
  std::vector<Var> parameters;
  for (const ParameterId id : net.layers) parameters.push_back(net.model->store().var(id));
  const auto gradient_at = [&](double step) {
    std::size_t at = 0;
    for (const ParameterId id : net.layers) {
      const Range r = net.model->store().infos()[id].range;
      for (Index i = r.begin; i < r.end; ++i)
        net.model->store().values()[i] += static_cast<Real>(step * v[at++]);
    }
    std::vector<double> g;
    for (const Var& part :
         grad(cross_entropy(logits_of(*net.model, net.examples), net.examples.labels), parameters))
      for (const Real x : part.value().values()) g.push_back(static_cast<double>(x) / count);
    return g;
  };
  constexpr double h = 1e-5;
  const std::vector<double> above = gradient_at(h), below = gradient_at(-2 * h);
  std::vector<double> slope(above.size());
  for (std::size_t i = 0; i < slope.size(); ++i) slope[i] = (above[i] - below[i]) / (2 * h);
  EXPECT_LE(relative_difference(product, slope), 1e-7);
}

TEST(BranchingNetwork, ItsHessianByRowsIsRefusedWhereTheNetworkBends) {
  const Branching net;
  espalier::testing::expect_error(ExitCode::config, {"stem.weight", "Gauss-Newton", "true_fisher"}, [&] {
    curvature_block({*net.model, net.examples, {net.layers[0]}, Hessian{}});
  });
  const auto last = net.layers.back();
  const auto by_products = hessian_block_by_products(*net.model, net.examples, last, last, 4);
  EXPECT_LE(
      relative_difference(curvature_block({*net.model, net.examples, {last}, Hessian{}}).values, by_products),
      close);
}

}  // namespace
}  // namespace espalier::test
