// Lesson 2: one gradient row per example, from one reverse pass.
//
// Pruning needs G, whose row n is the gradient g_n of example n's own loss. A batch of one per example would
// give it, at many times the cost of a batch. But look at what a reverse pass holds: at a linear layer y = x
// W', the input x and dy, the slope of the loss in y, both with one row per example. The weight gradient is
//     dW = sum_n dy_n' x_n,
// and only this sum mixes the examples. So the rows are already there: sum over fewer n.
#include <gtest/gtest.h>

#include <vector>

#include "framework/autograd/backward.h"
#include "framework/ops/ops.h"
#include "tests/support/check_op.h"

namespace espalier::test {
namespace {

/// Calls `look` with the partial gradient of every weight.
template <class Look>
struct Sink final : GradientSink {
  explicit Sink(Look l) : look(l) {}
  void accept(ParameterId id, const Partial& partial) override { look(id, partial); }
  Look look;
};

const std::vector<std::int32_t> labels{2, 0, 1, 1};
struct Network {
  Var conv = Var::parameter(random_direction({4, 3, 3, 2}, 1), 0);
  Var bias = Var::parameter(random_direction({4}, 2), 1);
  Var fc = Var::parameter(random_direction({3, 16}, 3), 2);
  /// Losses of the examples, one each. Their sum has the sum of their gradients;
  /// the mean is the consumer's business.
  Var losses(const Tensor& images, std::span<const std::int32_t> truth) const {
    const Var h = max_pool(conv2d(Var(images), conv, bias, {.relu = true}), {2, 2});
    return cross_entropy(linear(flatten(h), fc, Var()), truth);
  }
};
const Tensor images = random_direction({4, 6, 6, 2}, 4);

TEST(Lesson2OneRowPerExample, TheSumHidesTheRows) {
  // By hand, for a linear layer with the losses 1 * y_0 of two examples:
  // dy = (1, 0) for both, so g_n = (x_n, 0).
  const Real x_values[] = {1, 2, 10, 20};
  const Var x(Tensor::from({2, 2}, x_values)), w = Var::parameter(Tensor::zeros({2, 2}), 0);
  const Real seed[] = {1, 0, 1, 0};
  Sink sink([](ParameterId, const Partial& partial) {
    const Tensor sum = partial.all(), first = partial({0, 1}), second = partial({1, 2});
    EXPECT_EQ(sum.data()[0], 11);
    EXPECT_EQ(sum.data()[1], 22);
    EXPECT_EQ(first.data()[0], 1);
    EXPECT_EQ(first.data()[1], 2);
    EXPECT_EQ(second.data()[0], 10);
    EXPECT_EQ(second.data()[1], 20);
    for (const Tensor& t : {sum, first, second})
      EXPECT_EQ(t.data()[2] + t.data()[3], 0) << "y_1 was not asked about";
  });
  backward(linear(x, w, Var()), Tensor::from({2, 2}, seed), sink);
}

TEST(Lesson2OneRowPerExample, RowsAreTheGradientsOfBatchesOfOne) {
  const Network net;
  const Var wrt[] = {net.conv, net.bias, net.fc};
  std::vector<std::vector<Tensor>> one_by_one;  // [example][parameter]: four forward and four reverse passes
  for (Index n = 0; n < 4; ++n) {
    one_by_one.emplace_back();
    const Var loss = net.losses(images.slice({n, n + 1}), std::span(labels).subspan(n, 1));
    for (const Var& g : grad(loss, wrt)) one_by_one.back().push_back(g.value());
  }
  int weights_seen = 0;
  Sink sink([&](ParameterId id, const Partial& partial) {  // one forward and one reverse pass
    ++weights_seen;
    for (Index n = 0; n < 4; ++n) {
      const Tensor& expected = one_by_one[n][id];
      EXPECT_GT(norm(expected), 0);
      EXPECT_LE(distance(partial({n, n + 1}), expected), sum_tolerance(100) * (1 + norm(expected)));
    }
  });
  backward(net.losses(images, labels), Tensor::full({4}, 1), sink);
  EXPECT_EQ(weights_seen, 3);
}

TEST(Lesson2OneRowPerExample, MiniBatchRowsAreTheSameThingOverARange) {
  // The paper's Fisher mini-batch: a row is the mean gradient of B examples.
  // Ask for a range, divide by its size.
  const Network net;
  Sink sink([](ParameterId, const Partial& partial) {
    const Tensor pair = partial({2, 4});
    const Var sum = add(Var(partial({2, 3})), Var(partial({3, 4})));
    EXPECT_LE(distance(pair, sum.value()), sum_tolerance(100) * (1 + norm(pair)));
  });
  backward(net.losses(images, labels), Tensor::full({4}, 1), sink);
}

TEST(Lesson2OneRowPerExample, BatchNormInTrainingModeHasNoRows) {
  // There, the output of one example depends on all others through the mean of the batch: "the gradient of
  // example n" does not exist. It is refused, and Fisher gradients are taken in evaluation mode.
  const Var x(random_direction({4, 3}, 1)), gamma = Var::parameter(Tensor::full({3}, 1), 0);
  const Var beta = Var::parameter(Tensor::zeros({3}), 1);
  Sink sink([](ParameterId, const Partial& partial) {
    EXPECT_NO_THROW(partial.all()) << "the sum over the batch exists";
    EXPECT_THROW(partial({0, 1}), Error);
  });
  BatchMoments moments;
  backward(batch_norm_train(x, gamma, beta, 1e-5, moments), random_direction({4, 3}, 2), sink);
  Sink rows([](ParameterId, const Partial& partial) { EXPECT_NO_THROW(partial({0, 1})); });
  backward(batch_norm_eval(x, gamma, beta, moments.mean, moments.variance, 1e-5), random_direction({4, 3}, 2),
           rows);
}

}  // namespace
}  // namespace espalier::test
