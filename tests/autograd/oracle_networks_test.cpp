// oracle_networks_test.cpp: the network cases N1 and N2 of tests/oracle: losses, per-example gradients,
// Hessian and true Fisher to 1e-9.
#include <gtest/gtest.h>

#include "framework/autograd/second_order.h"
#include "framework/ops/ops.h"
#include "tests/support/check_op.h"
#include "tests/support/oracle.h"

namespace espalier::test {
namespace {

using Json = nlohmann::json;

Tensor matrix(const Json& rows) {
  std::vector<Real> values;
  for (const auto& row : rows)
    for (const auto& v : row) values.push_back(v.get<Real>());
  return Tensor::from({static_cast<Index>(rows.size()), static_cast<Index>(rows[0].size())}, values);
}

/// Largest difference between `block` / examples and the oracle's matrix at (first_row, first_column),
/// relative to the largest entry of the latter.
double off(const Tensor& block, Index examples, const Json& expected, Index first_row, Index first_column) {
  double worst = 0, largest = 0;
  for (Index r = 0; r < block.shape()[0]; ++r)
    for (Index c = 0; c < block.shape()[1]; ++c) {
      const double theirs = expected[first_row + r][first_column + c].get<double>();
      const double ours =
          static_cast<double>(block.data()[r * block.shape()[1] + c]) / static_cast<double>(examples);
      worst = std::max(worst, std::abs(ours - theirs));
      largest = std::max(largest, std::abs(theirs));
    }
  return worst / largest;
}
constexpr double oracle_tolerance = sizeof(Real) == 8 ? 1e-9 : 1e-5;  // the oracle's own; rounding in float32

/// Losses, and the rows of one reverse pass: both networks have 12 weights per layer at most.
void expect_gradients(const Var& losses, const Json& expected) {
  for (Index n = 0; n < losses.value().size(); ++n)
    EXPECT_NEAR(static_cast<double>(losses.value().data()[n]), expected["per_example_loss"][n].get<double>(),
                10 * oracle_tolerance);
  const RecordingSink sink = run_backward(losses);
  for (const auto& seen : sink.seen) {
    const Index first = seen.parameter == 0 ? 0 : 12;  // row-major, parameter after parameter
    for (std::size_t n = 0; n < seen.rows.size(); ++n)
      for (Index k = 0; k < seen.rows[n].size(); ++k)
        EXPECT_NEAR(static_cast<double>(seen.rows[n].data()[k]),
                    expected["per_example_gradients"][n][first + k].get<double>(), 10 * oracle_tolerance);
  }
}

TEST(Oracle, N1LinearSoftmaxHessianIsTheTrueFisher) {
  const Json c = oracle_case("N1-linear-softmax");
  const Json &in = c["inputs"], &expected = c["expected"];
  const Var w = Var::parameter(matrix(in["W"]), 0), x(matrix(in["x"]));
  const auto labels = in["y"].get<std::vector<std::int32_t>>();
  const auto logits = [&] { return linear(x, w, Var()); };
  const Var losses = cross_entropy(logits(), labels);
  EXPECT_LE(off(hessian_block(losses, w, w), 4, expected["hessian"], 0, 0), oracle_tolerance);
  EXPECT_LE(off(gauss_newton_block(logits(), w, w), 4, expected["true_fisher"], 0, 0), oracle_tolerance);
  expect_gradients(losses, expected);
}

TEST(Oracle, N2ReluNetworkBlocksOfHessianAndTrueFisher) {
  const Json c = oracle_case("N2-relu-mlp");
  const Json &in = c["inputs"], &expected = c["expected"];
  const Var w[] = {Var::parameter(matrix(in["W1"]), 0), Var::parameter(matrix(in["W2"]), 1)};
  const Var x(matrix(in["x"]));
  const auto labels = in["y"].get<std::vector<std::int32_t>>();
  const auto logits = [&] { return linear(linear(x, w[0], Var(), true), w[1], Var()); };
  const Var losses = cross_entropy(logits(), labels), outputs = logits();
  for (Index r = 0; r < 2; ++r)
    for (Index k = 0; k < 2; ++k) {
      EXPECT_LE(off(hessian_block(losses, w[r], w[k]), 6, expected["hessian"], 12 * r, 12 * k),
                oracle_tolerance);
      EXPECT_LE(off(gauss_newton_block(outputs, w[r], w[k]), 6, expected["true_fisher"], 12 * r, 12 * k),
                oracle_tolerance);
    }
  expect_gradients(losses, expected);
}

}  // namespace
}  // namespace espalier::test
