// The network cases of the oracle: Hessian, true Fisher and empirical Fisher of a softmax classifier (N1) and
// of a ReLU network (N2), by rows and by products, and how alike they are, to 1e-9 in float64.
#include "tests/support/oracle.h"

#include <gtest/gtest.h>

#include "framework/autograd/backward.h"
#include "pruning/curvature/compare.h"
#include "pruning/curvature/dense.h"
#include "pruning/curvature/products.h"
#include "tests/support/curvature.h"

namespace espalier::test {
namespace {

using Json = nlohmann::json;
constexpr double tolerance = sizeof(Real) == 8 ? 1e-9 : 1e-5;

struct Case {
  Json expected;
  std::unique_ptr<Model> model;
  std::unique_ptr<TensorExamples> examples;
};

std::vector<Real> flat(const Json& matrix) {
  std::vector<Real> values;
  for (const auto& row : matrix)
    for (const auto& v : row) values.push_back(v.get<Real>());
  return values;
}

/// The case `id` as a model.
Case load(const std::string& id, const std::vector<std::string>& weights) {
  const Json& c = oracle_case(id);
  const Json& in = c["inputs"];
  std::vector<Index> widths{static_cast<Index>(in["x"][0].size())};
  for (const auto& w : weights) widths.push_back(static_cast<Index>(in[w].size()));
  Case result{c["expected"], mlp(widths), nullptr};
  for (std::size_t i = 0; i < weights.size(); ++i)
    set_values(*result.model, static_cast<ParameterId>(i), flat(in[weights[i]]));
  const auto n = static_cast<Index>(in["x"].size());
  result.examples = std::make_unique<TensorExamples>(Tensor::from({n, 1, 1, widths[0]}, flat(in["x"])),
                                                     in["y"].get<std::vector<std::int32_t>>());
  return result;
}

SquareMatrix matrix(const Json& rows) {
  SquareMatrix m(static_cast<Index>(rows.size()));
  for (Index i = 0; i < m.size; ++i)
    for (Index j = 0; j < m.size; ++j) m(i, j) = rows[i][j].get<double>();
  return m;
}

void expect_matrix(const Case& c, CurvatureKind kind, const std::vector<ParameterId>& layers) {
  const SquareMatrix whole = matrix(c.expected[std::string(name_of(kind))]);
  const std::vector<Range> all = layer_columns(c.model->store(), weights_of(*c.model));
  const SquareMatrix by_products = dense(*curvature_product(*c.model, *c.examples, layers, kind));
  std::vector<double> expected;
  for (const ParameterId a : layers)
    for (Index i = all[a].begin; i < all[a].end; ++i)
      for (const ParameterId b : layers)
        for (Index j = all[b].begin; j < all[b].end; ++j) expected.push_back(whole(i, j));
  EXPECT_LE(relative_difference(by_products.values, expected), tolerance) << name_of(kind) << " by products";
  if (kind == CurvatureKind(Hessian{}) && layers.size() > 1) return;
  const SquareMatrix by_rows = curvature_block({*c.model, *c.examples, layers, kind});
  EXPECT_LE(relative_difference(by_rows.values, expected), tolerance) << name_of(kind) << " by rows";
}

constexpr CurvatureKind exact[] = {Hessian{}, FisherKind::exact, FisherKind::empirical};

TEST(CurvatureOracle, N1LinearSoftmax) {
  const Case c = load("N1-linear-softmax", {"W"});
  if (!c.model) GTEST_SKIP() << "set ESPALIER_ORACLE to the path of cases.json";
  for (const CurvatureKind kind : exact) expect_matrix(c, kind, {0});
  const CurvatureRows hessian(*c.model, *c.examples, {0}, Hessian{}),
      empirical(*c.model, *c.examples, {0}, FisherKind::empirical);
  EXPECT_NEAR(cosine(curvature_block(hessian).values, curvature_block(empirical).values),
              c.expected["cosine_hessian_empirical_fisher"].get<double>(), tolerance);
  const auto trace = [](const CurvatureRows& rows) {
    double sum = 0;
    for (const double v : curvature_diagonal(rows)) sum += v;
    return sum;
  };
  EXPECT_NEAR(trace(empirical) / trace(hessian),
              c.expected["trace_ratio_empirical_over_hessian"].get<double>(), 10 * tolerance);
}

TEST(CurvatureOracle, N2ReluNetwork) {
  const Case c = load("N2-relu-mlp", {"W1", "W2"});
  if (!c.model) GTEST_SKIP() << "set ESPALIER_ORACLE to the path of cases.json";
  for (const CurvatureKind kind : exact)
    for (const std::vector<ParameterId>& layers : {std::vector{0}, {1}, {0, 1}})
      expect_matrix(c, kind, layers);
  const char* cosines[] = {"cosine_hessian_empirical_fisher_W1_block",
                           "cosine_hessian_empirical_fisher_W2_block"};
  for (ParameterId layer = 0; layer < 2; ++layer) {
    const auto block = [&](CurvatureKind kind) {
      return curvature_block({*c.model, *c.examples, {layer}, kind}).values;
    };
    EXPECT_NEAR(cosine(block(Hessian{}), block(FisherKind::empirical)),
                c.expected[cosines[layer]].get<double>(), tolerance);
  }
}

TEST(CurvatureOracle, N2BlocksBetweenTheTwoLayers) {
  const Case c = load("N2-relu-mlp", {"W1", "W2"});
  const SquareMatrix hessian = matrix(c.expected["hessian"]), fisher = matrix(c.expected["true_fisher"]);
  for (const Index per_pass : {6, 4}) {
    const auto cross = hessian_block_by_products(*c.model, *c.examples, 0, 1, per_pass);
    EXPECT_LE(relative_difference(cross, part_of(hessian, {0, 12}, {12, 24})), tolerance);
  }
  EXPECT_GT(relative_difference(part_of(fisher, {0, 12}, {12, 24}), part_of(hessian, {0, 12}, {12, 24})), 0.1)
      << "between layers the Hessian is not the Fisher: the identity is one of single layers";
}

}  // namespace
}  // namespace espalier::test
