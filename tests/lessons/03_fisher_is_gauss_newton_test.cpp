// Lesson 3: the Fisher is Gauss-Newton when labels are drawn from the model; the empirical Fisher is not.
//
// Three matrices stand for the curvature of the loss (mathematics.md, section 2):
//     true Fisher       F = (1/N) sum_n E_{y ~ p_n} [g_n(y) g_n(y)'],   labels from the model
//     Gauss-Newton      G = (1/N) sum_n J_n' (diag(p_n) - p_n p_n') J_n,  no labels at all
//     empirical Fisher  F^ = (1/N) sum_n g_n(y_n) g_n(y_n)',              labels from the data
// For softmax cross-entropy F = G exactly. WoodFisher uses F^, since its rows g_n come for free from
// training's loss; it is a stand-in for F that gets better as the model's beliefs come
// to agree with the labels.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "framework/autograd/backward.h"
#include "framework/autograd/second_order.h"
#include "framework/core/random.h"
#include "framework/ops/ops.h"
#include "tests/support/check_op.h"

namespace espalier::test {
namespace {

constexpr Index examples = 12, classes = 3, hidden = 4, inputs = 5;

/// A ReLU network of two layers without biases; the curvature is looked at in one layer.
struct Network {
  Var w1 = Var::parameter(fill_tensor({hidden, inputs}, Fill::normal, 1), 0);
  Var w2 = Var::parameter(fill_tensor({classes, hidden}, Fill::normal, 2), 1);
  Tensor x = fill_tensor({examples, inputs}, Fill::normal, 3);
  Var logits() const { return linear(linear(Var(x), w1, Var(), true), w2, Var()); }
};

using Matrix = std::vector<double>;  // d x d, row-major
Matrix from(const Tensor& t) {
  Matrix m;
  for (const Real v : t.values())
    m.push_back(static_cast<double>(v) / examples);  // mathematics.md: means over N
  return m;
}
double size(const Matrix& m) {
  double s = 0;
  for (const double v : m) s += v * v;
  return std::sqrt(s);
}
double difference(const Matrix& a, const Matrix& b) {
  Matrix d = a;
  for (std::size_t i = 0; i < d.size(); ++i) d[i] -= b[i];
  return size(d);
}
double cosine(const Matrix& a, const Matrix& b) {
  double s = 0;
  for (std::size_t i = 0; i < a.size(); ++i) s += a[i] * b[i];
  return s / (size(a) * size(b));
}

/// (1/N) sum_n weight_n g_n g_n' of one parameter, for the given labels.
Matrix outer_products(const Network& net, ParameterId id, std::span<const std::int32_t> labels,
                      const std::vector<double>& weight) {
  const RecordingSink sink = run_backward(cross_entropy(net.logits(), labels));
  const Index d = (id == 0 ? net.w1 : net.w2).value().size();
  Matrix m(static_cast<std::size_t>(d * d), 0.0);
  for (const auto& seen : sink.seen)
    if (seen.parameter == id)
      for (std::size_t n = 0; n < seen.rows.size(); ++n)
        for (Index i = 0; i < d; ++i)
          for (Index j = 0; j < d; ++j)
            m[i * d + j] += weight[n] * static_cast<double>(seen.rows[n].data()[i]) *
                            static_cast<double>(seen.rows[n].data()[j]) / examples;
  return m;
}

/// The expectation over labels drawn from the model, exactly: every class in turn,
/// weighted with its probability.
Matrix true_fisher(const Network& net, ParameterId id) {
  const Tensor p = softmax(net.logits()).value();
  Matrix sum;
  for (std::int32_t y = 0; y < classes; ++y) {
    std::vector<double> weight;
    for (Index n = 0; n < examples; ++n) weight.push_back(static_cast<double>(p.data()[n * classes + y]));
    const Matrix m = outer_products(net, id, std::vector<std::int32_t>(examples, y), weight);
    if (sum.empty()) sum.resize(m.size());
    for (std::size_t i = 0; i < m.size(); ++i) sum[i] += m[i];
  }
  return sum;
}
const std::vector<double> once(examples, 1.0);
const std::vector<std::int32_t> data_labels{0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2};  // drawn by nobody's model

TEST(Lesson3Fisher, TrueFisherIsGaussNewton) {
  const Network net;
  for (const auto& [id, w] : {std::pair{0, net.w1}, std::pair{1, net.w2}}) {
    const Matrix fisher = true_fisher(net, id), gauss_newton = from(gauss_newton_block(net.logits(), w, w));
    EXPECT_GT(size(fisher), 0.01);
    EXPECT_LE(difference(fisher, gauss_newton), sum_tolerance(200) * size(fisher));
  }
}

TEST(Lesson3Fisher, WithinOneLayerOfAReluNetworkItIsTheHessianToo) {
  // The logits are piecewise linear in one layer's weights, so the part of the Hessian that Gauss-Newton
  // leaves out, (p - y) times the second derivative of the logits, is zero: whatever the labels are.
  const Network net;
  for (const auto& [id, w] : {std::pair{0, net.w1}, std::pair{1, net.w2}}) {
    const Matrix fisher = true_fisher(net, id);
    const Matrix hessian = from(hessian_block(cross_entropy(net.logits(), data_labels), w, w));
    EXPECT_LE(difference(fisher, hessian), sum_tolerance(200) * size(fisher));
  }
}

TEST(Lesson3Fisher, LabelsDrawnFromTheModelApproachIt) {
  // Monte Carlo: the error of a mean over S draws falls like 1/sqrt(S).
  const Network net;
  const Matrix fisher = true_fisher(net, 1);
  const Tensor p = softmax(net.logits()).value();
  const auto error_after = [&](int draws) {
    Matrix mean(fisher.size(), 0.0);
    Random random(1, Random::Use::labels);
    for (int s = 0; s < draws; ++s) {
      std::vector<std::int32_t> labels;
      for (Index n = 0; n < examples; ++n) {
        double u = random.uniform();
        std::int32_t y = 0;
        while (y + 1 < classes && (u -= static_cast<double>(p.data()[n * classes + y])) >= 0) ++y;
        labels.push_back(y);
      }
      const Matrix m = outer_products(net, 1, labels, once);
      for (std::size_t i = 0; i < m.size(); ++i) mean[i] += m[i] / draws;
    }
    return difference(mean, fisher) / size(fisher);
  };
  const double few = error_after(10), many = error_after(1000);
  EXPECT_LT(many, few / 3) << "100 times as many draws: a tenth of the error, give or take its own spread";
  EXPECT_LT(many, 0.1);
}

TEST(Lesson3Fisher, TheEmpiricalFisherIsAnotherMatrix) {
  // With labels from the data a surprised example counts with the square of its surprise, and no number of
  // examples repairs that: what differs is the expectation, not the sample.
  const Network net;
  const Matrix fisher = true_fisher(net, 1), empirical = outer_products(net, 1, data_labels, once);
  EXPECT_GT(difference(fisher, empirical), 0.3 * size(fisher));
  EXPECT_GT(cosine(fisher, empirical), 0.3)
      << "different, but not unrelated: that is what WoodFisher lives on";
}

TEST(Lesson3Fisher, TheTwoAgreeWhereTheModelIsRightAboutTheFrequencyOfLabels) {
  // Give every example all classes as labels, as often as the model believes in them: then the average over
  // the data *is* the expectation over the model. Here one example at logits (0, 0, 0), so p = 1/3 each, seen
  // once per class.
  Network net;
  net.w2 = Var::parameter(Tensor::zeros({classes, hidden}), 1);
  const Tensor first = net.x.slice({0, 1});
  Tensor repeated = Tensor::uninitialized({examples, inputs});
  for (Index n = 0; n < examples; ++n)
    for (Index i = 0; i < inputs; ++i) repeated.data()[n * inputs + i] = first.data()[i];
  net.x = repeated;
  const Matrix fisher = true_fisher(net, 1), empirical = outer_products(net, 1, data_labels, once);
  EXPECT_GT(size(fisher), 0);
  EXPECT_LE(difference(fisher, empirical), sum_tolerance(200) * size(fisher));
}

}  // namespace
}  // namespace espalier::test
