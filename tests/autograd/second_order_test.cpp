// second_order_test.cpp: Hessian and Gauss-Newton products against differences, against each other, and
// against the dense blocks. Recorded cases are in oracle_networks_test.cpp.
#include "framework/autograd/second_order.h"

#include <gtest/gtest.h>

#include "framework/ops/ops.h"
#include "tests/support/check_op.h"
#include "tests/support/expect_error.h"

namespace espalier::test {
namespace {

using espalier::testing::expect_error;

/// conv, relu, overlapping max pool, batch norm in evaluation mode, linear with bias:
/// 8 examples, 123 weights.
struct ConvNet {
  std::vector<Var> w;
  Var x{random_direction({8, 6, 6, 2}, 1)};
  std::vector<std::int32_t> labels{0, 1, 2, 0, 1, 2, 2, 1};
  ConvNet() {
    for (const Shape& s : {Shape{3, 3, 3, 2}, Shape{3}, Shape{3}, Shape{3}, Shape{3, 12}, Shape{3}}) {
      const auto id = static_cast<ParameterId>(w.size());
      w.push_back(Var::parameter(fill_tensor(s, Fill::normal, 40 + w.size()), id));
    }
  }
  Var logits(const std::vector<Var>& p) const {
    Var h = max_pool(conv2d(x, p[0], p[1], {.relu = true}), {2, 2});
    h = batch_norm_eval(h, p[2], p[3], Tensor::full({3}, Real(0.5)), Tensor::full({3}, 2), 1e-5, Activation::Kind::relu);
    return linear(flatten(h), p[4], p[5]);
  }
  Var loss(const std::vector<Var>& p) const { return cross_entropy(logits(p), labels); }
  ParameterVector direction(std::uint64_t seed) const {
    ParameterVector v;
    for (const Var& p : w) v.push_back(random_direction(p.shape(), seed + v.size()));
    return v;
  }
};

double inner(const ParameterVector& a, const ParameterVector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += test::inner(a[i], b[i]);
  return sum;
}
ParameterVector gradient(const ConvNet& net, const std::vector<Var>& p) {
  ParameterVector g;
  for (const Var& v : grad(net.loss(p), p)) g.push_back(v.value());
  return g;
}

TEST(HessianVector, IsTheDifferenceOfGradients) {
  if (sizeof(Real) == 4) GTEST_SKIP() << "a step that float32 can resolve crosses kinks of ReLU";
  const ConvNet net;
  const ParameterVector v = net.direction(5), hv = hessian_vector(net.loss(net.w), net.w, v);
  const double h = 1e-5;
  std::vector<Var> up, down;
  for (std::size_t i = 0; i < v.size(); ++i) {
    up.push_back(moved(net.w[i], h, v[i]));
    down.push_back(moved(net.w[i], -h, v[i]));
  }
  const ParameterVector gu = gradient(net, up), gd = gradient(net, down);
  const double size = std::sqrt(inner(hv, hv));
  EXPECT_GT(size, 0.1);
  for (std::size_t i = 0; i < v.size(); ++i)
    for (Index k = 0; k < hv[i].size(); ++k) {
      const double difference =
          (static_cast<double>(gu[i].data()[k]) - static_cast<double>(gd[i].data()[k])) / (2 * h);
      EXPECT_NEAR(static_cast<double>(hv[i].data()[k]), difference, 1e-7 * size);
    }
}

TEST(HessianVector, IsSymmetricAndLinear) {
  const ConvNet net;
  const Var loss = net.loss(net.w);  // one graph serves all products
  const ParameterVector u = net.direction(5), v = net.direction(50);
  const ParameterVector hu = hessian_vector(loss, net.w, u), hv = hessian_vector(loss, net.w, v);
  const double scale_of_products = std::sqrt(inner(hu, hu) * inner(v, v));
  EXPECT_NEAR(inner(hu, v), inner(u, hv), sum_tolerance(300) * scale_of_products);
  ParameterVector both;
  for (std::size_t i = 0; i < u.size(); ++i) both.push_back(add(Var(u[i]), scale(Var(v[i]), 3)).value());
  const ParameterVector h = hessian_vector(loss, net.w, both);
  for (std::size_t i = 0; i < u.size(); ++i)
    EXPECT_LE(distance(h[i], add(Var(hu[i]), scale(Var(hv[i]), 3)).value()),
              sum_tolerance(300) * scale_of_products);
}

TEST(JacobianVector, IsTheDifferenceOfOutputs) {
  if (sizeof(Real) == 4) GTEST_SKIP() << "a step that float32 can resolve crosses kinks of ReLU";
  const ConvNet net;
  const ParameterVector v = net.direction(9);
  const Tensor jv = jacobian_vector(net.logits(net.w), net.w, v);
  const double h = 1e-5;
  std::vector<Var> up, down;
  for (std::size_t i = 0; i < v.size(); ++i) {
    up.push_back(moved(net.w[i], h, v[i]));
    down.push_back(moved(net.w[i], -h, v[i]));
  }
  const Tensor yu = net.logits(up).value(), yd = net.logits(down).value();
  for (Index k = 0; k < jv.size(); ++k) {
    const double difference =
        (static_cast<double>(yu.data()[k]) - static_cast<double>(yd.data()[k])) / (2 * h);
    EXPECT_NEAR(static_cast<double>(jv.data()[k]), difference, 1e-7 * norm(jv));
  }
}

TEST(GaussNewtonVector, IsSymmetricAndPositiveSemidefinite) {
  const ConvNet net;
  const Var logits = net.logits(net.w);
  const ParameterVector u = net.direction(5), v = net.direction(50);
  const ParameterVector gu = gauss_newton_vector(logits, net.w, u),
                        gv = gauss_newton_vector(logits, net.w, v);
  EXPECT_NEAR(inner(gu, v), inner(u, gv), sum_tolerance(300) * std::sqrt(inner(gu, gu) * inner(v, v)));
  EXPECT_GT(inner(u, gu), 0);
  EXPECT_GT(inner(v, gv), 0);
}

TEST(Blocks, AreTheProductsWithBasisVectors) {
  const ConvNet net;
  const Var loss = net.loss(net.w), logits = net.logits(net.w);
  const Tensor hessian = hessian_block(loss, net.w[0], net.w[4]);
  const Tensor gauss_newton = gauss_newton_block(logits, net.w[0], net.w[4]);
  ASSERT_EQ(hessian.shape(), (Shape{54, 36}));
  ASSERT_EQ(gauss_newton.shape(), (Shape{54, 36}));
  for (const Index column : {Index{0}, Index{17}, Index{35}}) {
    ParameterVector unit;
    for (const Var& p : net.w) unit.push_back(Tensor::zeros(p.shape()));
    unit[4].data()[column] = 1;
    const Tensor h = hessian_vector(loss, net.w, unit)[0], g = gauss_newton_vector(logits, net.w, unit)[0];
    for (Index row = 0; row < 54; ++row) {
      EXPECT_NEAR(static_cast<double>(hessian.data()[row * 36 + column]), static_cast<double>(h.data()[row]),
                  sum_tolerance(300) * norm(h));
      EXPECT_NEAR(static_cast<double>(gauss_newton.data()[row * 36 + column]),
                  static_cast<double>(g.data()[row]), sum_tolerance(300) * norm(g));
    }
  }
}

// mathematics.md, section 2: the logits are piecewise linear in one layer's weights, so within a layer H = G.
TEST(Blocks, OfOneLayerAreEqualForHessianAndGaussNewtonButNotAcrossLayers) {
  const ConvNet net;
  const Var loss = net.loss(net.w), logits = net.logits(net.w);
  for (std::size_t layer = 0; layer < net.w.size(); ++layer) {
    const Tensor h = hessian_block(loss, net.w[layer], net.w[layer]);
    const Tensor g = gauss_newton_block(logits, net.w[layer], net.w[layer]);
    EXPECT_GT(norm(h), 0.01);
    EXPECT_LE(distance(h, g), sum_tolerance(300) * norm(h)) << "parameter " << layer;
  }
  const Tensor h = hessian_block(loss, net.w[0], net.w[4]),
               g = gauss_newton_block(logits, net.w[0], net.w[4]);
  EXPECT_GT(distance(h, g), 0.01 * norm(h)) << "across layers they should differ";
}

TEST(SecondOrder, MicroBatchesAddUp) {
  const ConvNet net;
  const Tensor whole = hessian_block(net.loss(net.w), net.w[4], net.w[4]);
  Var sum(Tensor::zeros(whole.shape()));
  for (const Range half : {Range{0, 3}, Range{3, 8}}) {
    ConvNet part;
    part.x = Var(net.x.value().slice(half));
    part.labels = {net.labels.begin() + half.begin, net.labels.begin() + half.end};
    sum = add(sum, Var(hessian_block(part.loss(net.w), net.w[4], net.w[4])));
  }
  EXPECT_LE(distance(sum.value(), whole), sum_tolerance(300) * norm(whole));
}

TEST(SecondOrder, MistakesAreNamed) {
  const ConvNet net;
  const Var loss = net.loss(net.w);
  ParameterVector v = net.direction(1);
  v.pop_back();
  expect_error(ExitCode::internal, {"[hessian_vector]", "6", "5"}, [&] { hessian_vector(loss, net.w, v); });
  v = net.direction(1);
  std::swap(v[0], v[4]);
  expect_error(ExitCode::internal, {"[jacobian_vector]", "{3,3,3,2}", "{3,12}"},
               [&] { jacobian_vector(loss, net.w, v); });
  expect_error(ExitCode::internal, {"[gauss_newton_vector]", "logits", "{8}"},
               [&] { gauss_newton_vector(loss, net.w, net.direction(1)); });
  const Var without_graph = [&] {
    const Recording off(false);
    return net.loss(net.w);
  }();
  expect_error(ExitCode::internal, {"[hessian_vector]", "recording off"},
               [&] { hessian_vector(without_graph, net.w, net.direction(1)); });
}

}  // namespace
}  // namespace espalier::test
