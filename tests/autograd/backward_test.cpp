// backward_test.cpp: the reverse pass over small graphs: sharing, order, what is kept and what is consumed.
#include "framework/autograd/backward.h"

#include <gtest/gtest.h>

#include <map>

#include "framework/ops/ops.h"
#include "tests/support/check_op.h"
#include "tests/support/expect_error.h"

namespace espalier::test {
namespace {

using espalier::testing::expect_error;

Var leaf(std::initializer_list<Real> values) {
  return Var(Tensor::from({static_cast<Index>(values.size())}, std::vector<Real>(values)), true);
}
double at(const Var& v, Index i = 0) { return static_cast<double>(v.value().data()[i]); }
Var one_grad(const Var& y, const Var& x, bool create_graph = false) {
  return grad(y, std::span(&x, 1), {.create_graph = create_graph})[0];
}

TEST(Grad, DiamondAddsBothPaths) {
  // y = (x + x^2) (x - x^2) = x^2 - x^4: x reaches y along four paths.
  const Var x = leaf({3, -0.5});
  const Var square = multiply(x, x);
  const Var y = multiply(add(x, square), subtract(x, square));
  const Var g = one_grad(y, x);
  for (Index i = 0; i < 2; ++i) {
    const double v = at(x, i);
    EXPECT_NEAR(at(g, i), 2 * v - 4 * v * v * v, tolerance(200));
  }
}

TEST(Grad, LongChainOfDiamondsIsVisitedOncePerNode) {
  // 200 nodes, 2^200 paths: a pass that walked paths would not end. y = 2^200 x overflows float, so halve
  // each time.
  const Var x = leaf({1});
  Var y = x;
  for (int i = 0; i < 200; ++i) y = scale(add(y, y), Real(0.5));
  EXPECT_EQ(at(one_grad(y, x)), 1);
}

TEST(Grad, OfAnIntermediateValueAndOfTheOutputItself) {
  const Var x = leaf({2});
  const Var square = multiply(x, x), y = scale(square, 5);
  EXPECT_EQ(at(one_grad(y, square)), 5);
  EXPECT_EQ(at(one_grad(y, y)), 1);
}

TEST(Grad, SeedWeighsTheOutputs) {
  const Var x = leaf({2, 3, 4});
  const Real weights[] = {1, 0, -2};
  const Var g = grad(multiply(x, x), std::span(&x, 1), {}, Var(Tensor::from({3}, weights)))[0];
  EXPECT_EQ(at(g, 0), 4);
  EXPECT_EQ(at(g, 1), 0);
  EXPECT_EQ(at(g, 2), -16);
}

TEST(Grad, IsZeroForWhatTheOutputDoesNotReach) {
  const Var x = leaf({1, 2}), stranger = leaf({3, 4, 5}), constant(Tensor::full({2}, 7));
  const Var wrt[] = {stranger, constant, x};
  const auto g = grad(multiply(x, constant), wrt);
  EXPECT_EQ(g[0].shape(), (Shape{3}));
  EXPECT_EQ(norm(g[0].value()), 0);
  EXPECT_EQ(norm(g[1].value()), 0) << "a constant has no gradient";
  EXPECT_EQ(at(g[2], 1), 7);
}

TEST(Grad, ToFourthOrderOnAPolynomial) {
  // p(x) = x^5 - 2 x^3 and its derivatives, each the gradient of the one before.
  const Var x = leaf({1.5, -0.25});
  const Var square = multiply(x, x), cube = multiply(square, x);
  const Var p = subtract(multiply(cube, square), scale(cube, 2));
  const Var p1 = one_grad(p, x, true), p2 = one_grad(p1, x, true), p3 = one_grad(p2, x, true),
            p4 = one_grad(p3, x);
  for (Index i = 0; i < 2; ++i) {
    const double v = at(x, i);
    EXPECT_NEAR(at(p1, i), 5 * std::pow(v, 4) - 6 * v * v, tolerance(100));
    EXPECT_NEAR(at(p2, i), 20 * v * v * v - 12 * v, tolerance(200));
    EXPECT_NEAR(at(p3, i), 60 * v * v - 12, tolerance(400));
    EXPECT_NEAR(at(p4, i), 120 * v, tolerance(400));
  }
}

TEST(Grad, WithoutCreateGraphGivesAConstant) {
  const Var x = leaf({2});
  const Var y = multiply(x, x);
  EXPECT_FALSE(one_grad(y, x).requires_grad());
  EXPECT_TRUE(one_grad(y, x, true).requires_grad());
}

TEST(Grad, LeavesTheGraphAsItWas) {
  const Var x = leaf({2});
  const Var y = multiply(x, x);
  EXPECT_EQ(at(one_grad(y, x)), 4);
  EXPECT_EQ(at(one_grad(y, x)), 4) << "a gradient of the first pass was left behind";
  const Var z = multiply(y, y);  // and it can still be built upon
  EXPECT_EQ(at(one_grad(z, x)), 32);
}

TEST(Recording, OffMakesLeaves) {
  const Var x = leaf({2});
  {
    const Recording off(false);
    const Var y = multiply(x, x);
    EXPECT_FALSE(y.requires_grad());
    EXPECT_EQ(y.node()->inputs.count(), 0);
    {
      const Recording on(true);
      EXPECT_TRUE(multiply(x, x).requires_grad());
    }
    EXPECT_FALSE(recording()) << "the outer setting is restored";
  }
  EXPECT_TRUE(multiply(x, x).requires_grad());
}

TEST(Recording, ConstantsAreNotRecorded) {
  const Var a(Tensor::full({2}, 3));
  const Var y = multiply(a, a);
  EXPECT_FALSE(y.requires_grad());
  EXPECT_EQ(at(y), 9);
}

struct SumSink final : GradientSink {
  std::map<ParameterId, Tensor> sum;
  std::map<ParameterId, int> times;
  void accept(ParameterId id, const Partial& partial) override {
    const Tensor g = partial.all();
    ++times[id];
    sum[id] = sum.contains(id) ? add(Var(sum[id]), Var(g)).value() : g;
  }
};

TEST(Backward, AWeightUsedTwiceArrivesTwiceAndAddsUp) {
  const Var x(random_direction({3, 4}, 1), true), w = Var::parameter(random_direction({4, 4}, 2), 5);
  const auto forward = [&] { return linear(linear(x, w, Var()), w, Var()); };
  SumSink sink;
  backward(forward(), Tensor::full({3, 4}, 1), sink);
  EXPECT_EQ(sink.times[5], 2);
  EXPECT_LE(distance(sink.sum[5], one_grad(forward(), w).value()), sum_tolerance(16));
}

TEST(Backward, AgreesWithGradOnANetworkWithABranch) {
  const Var x(random_direction({3, 5, 5, 2}, 1));
  const Var w1 = Var::parameter(random_direction({2, 3, 3, 2}, 2), 0);
  const Var w2 = Var::parameter(random_direction({4, 2}, 3), 1);
  const std::int32_t labels[] = {0, 3, 1};
  const auto forward = [&] {
    const Var h = add(conv2d(x, w1, Var(), {.pad = 1, .relu = true}), x);  // a residual block
    return cross_entropy(linear(global_average_pool(h), w2, Var()), labels);
  };
  SumSink sink;
  backward(forward(), Tensor::full({3}, 1), sink);
  const Var wrt[] = {w1, w2};
  const auto expected = grad(forward(), wrt);
  EXPECT_LE(distance(sink.sum[0], expected[0].value()), sum_tolerance(75));
  EXPECT_LE(distance(sink.sum[1], expected[1].value()), sum_tolerance(75));
}

TEST(Backward, SeedOfMeansGivesTheMean) {
  const Var x(random_direction({4, 3}, 1)), w = Var::parameter(random_direction({2, 3}, 2), 0);
  const std::int32_t labels[] = {0, 1, 1, 0};
  SumSink sum, mean;
  backward(cross_entropy(linear(x, w, Var()), labels), Tensor::full({4}, 1), sum);
  backward(cross_entropy(linear(x, w, Var()), labels), Tensor::full({4}, Real(0.25)), mean);
  EXPECT_LE(distance(scale(Var(sum.sum[0]), Real(0.25)).value(), mean.sum[0]), tolerance());
}

TEST(Backward, ConsumesTheGraphAndSaysSoWhenItIsUsedAgain) {
  const Var x(random_direction({3, 4}, 1)), w = Var::parameter(random_direction({2, 4}, 2), 0);
  const Var y = linear(x, w, Var(), true);
  SumSink sink;
  backward(y, Tensor::full({3, 2}, 1), sink);
  expect_error(ExitCode::internal, {"[relu]", "consumed"}, [&] {
    backward(y, Tensor::full({3, 2}, 1), sink);
  });
  expect_error(ExitCode::internal, {"[relu]", "consumed"}, [&] { one_grad(y, w); });
}

TEST(Backward, AKeptGraphServesOtherSeeds) {
  // Rows of a Jacobian: one forward pass, a reverse pass for each output.
  const Var x(random_direction({3, 4}, 1)), w = Var::parameter(random_direction({2, 4}, 2), 0);
  const Var y = linear(x, w, Var());
  for (const Tape tape : {Tape::keep, Tape::keep, Tape::consume}) {
    const Tensor seed = random_direction({3, 2}, tape == Tape::keep ? 3 : 4);
    const Tensor expected = grad(y, std::span(&w, 1), {}, Var(seed))[0].value();
    SumSink sink;
    backward(y, seed, sink, tape);
    EXPECT_LE(distance(sink.sum.at(0), expected), tolerance());
  }
  SumSink sink;
  EXPECT_THROW(backward(y, Tensor::full({3, 2}, 1), sink), Error) << "the last pass has consumed it";
}

TEST(Backward, LeavesOutWhatLeadsToNoWantedParameter) {
  const Var x(random_direction({3, 4}, 1)), w1 = Var::parameter(random_direction({5, 4}, 2), 0),
                                            w2 = Var::parameter(random_direction({2, 5}, 3), 1);
  struct Second final : GradientSink {
    bool wants(ParameterId parameter) const override { return parameter == 1; }
    void accept(ParameterId parameter, const Partial& partial) override {
      EXPECT_EQ(parameter, 1);
      got = partial.all();
    }
    Tensor got;
  } sink;
  // An op below the wanted weight whose rule must not be called.
  const Var first = linear(x, w1, Var());
  const Var trap = record("trap", {first}, first.value(), NoGradient());
  const Var y = linear(trap, w2, Var());
  const Tensor seed = random_direction({3, 2}, 4),
               expected = grad(y, std::span(&w2, 1), {}, Var(seed))[0].value();
  backward(y, seed, sink);
  EXPECT_LE(distance(sink.got, expected), tolerance());
}

TEST(Backward, FreesWhatItNoLongerNeeds) {
  const Var w = Var::parameter(random_direction({4, 4}, 2), 0);
  std::weak_ptr<Real> alive;
  Var y;
  {
    const Var middle = linear(Var(random_direction({3, 4}, 1)), w, Var());
    const std::shared_ptr<Real> probe(new Real[12](), std::default_delete<Real[]>());
    alive = probe;
    y = multiply(middle, Var(Tensor::view({3, 4}, probe)));
  }
  EXPECT_FALSE(alive.expired());
  SumSink sink;
  backward(y, Tensor::full({3, 4}, 1), sink);
  EXPECT_TRUE(alive.expired()) << "y is still held, but what it was made of is not";
}

TEST(Backward, SurvivesASinkThatThrows) {
  struct Refuses final : GradientSink {
    void accept(ParameterId, const Partial&) override { fail(ExitCode::memory, "no more rows"); }
  } refuses;
  const Var x(random_direction({3, 4}, 1)), w = Var::parameter(random_direction({2, 4}, 2), 0);
  const auto forward = [&] { return linear(x, w, Var()); };
  expect_error(ExitCode::memory, {"no more rows"}, [&] {
    backward(forward(), Tensor::full({3, 2}, 1), refuses);
  });
  EXPECT_TRUE(recording()) << "recording is restored on the way out";
  SumSink sink;
  backward(forward(), Tensor::full({3, 2}, 1), sink);
  EXPECT_LE(distance(sink.sum[0], one_grad(forward(), w).value()), tolerance());
}

TEST(Backward, SeedOfAnotherShapeIsRefused) {
  const Var x(random_direction({3, 4}, 1)), w = Var::parameter(random_direction({2, 4}, 2), 0);
  SumSink sink;
  expect_error(ExitCode::internal, {"[linear]", "{3}", "{3,2}"},
               [&] { backward(linear(x, w, Var()), Tensor::full({3}, 1), sink); });
}

TEST(Partial, OfABatchNormInTrainingModeIsRefused) {
  const Var x(random_direction({3, 2, 2, 2}, 1));
  const Var gamma = Var::parameter(random_direction({2}, 2), 0),
            beta = Var::parameter(random_direction({2}, 3), 1);
  struct OneExample final : GradientSink {
    void accept(ParameterId, const Partial& p) override { p({1, 2}); }
  } sink;
  BatchMoments moments;
  const Var y = batch_norm_train(x, gamma, beta, 1e-5, moments);
  expect_error(ExitCode::internal, {"[batch_norm_train]", "couples the examples", "evaluation mode"},
               [&] { backward(y, Tensor::full(y.shape(), 1), sink); });
}

TEST(Partial, BesideAnInputWithoutExamplesIsRefused) {
  // beta is neither a parameter nor has it the 4 examples on axis 0: slicing the batch would have to guess.
  const Var x(random_direction({4, 3}, 1)), gamma = Var::parameter(random_direction({3}, 2), 0);
  const Var beta(Tensor::zeros({3}));
  struct OneExample final : GradientSink {
    void accept(ParameterId, const Partial& p) override { p({1, 2}); }
  } sink;
  const Var y = channel_affine(x, gamma, beta);
  expect_error(ExitCode::internal, {"[channel_affine]", "{3}", "4 examples"}, [&] {
    backward(y, Tensor::full({4, 3}, 1), sink);
  });
}

TEST(Partial, OfAWeightThatDoesNotEnterDirectlyIsRefused) {
  const Var x(random_direction({3, 4}, 1)), w = Var::parameter(random_direction({5, 4}, 2), 0);
  struct OneExample final : GradientSink {
    void accept(ParameterId, const Partial& p) override { p({1, 2}); }
  } sink;
  const Var masked = multiply(w, Var(Tensor::full({5, 4}, 1)));  // slicing this mask would be silently wrong
  const Var y = linear(x, masked, Var());
  expect_error(ExitCode::internal, {"[multiply]", "directly"}, [&] {
    backward(y, Tensor::full({3, 5}, 1), sink);
  });
}

}  // namespace
}  // namespace espalier::test
