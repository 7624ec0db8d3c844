// linear_test.cpp: the products of a linear layer against three loops.
#include "framework/kernels/linear.h"

#include <gtest/gtest.h>

#include "framework/core/parallel.h"
#include "tests/kernels/each_instruction_set.h"
#include "tests/support/arrays.h"
#include "tests/support/precision.h"

namespace espalier::test {
namespace {

struct Layer {
  Index n, in, out;
  std::vector<Real> x = normal_values(n * in, 1), w = normal_values(out * in, 2),
                    bias = normal_values(out, 3), dy = normal_values(n * out, 4);

  std::vector<Real> forward(bool with_bias, bool relu) const {
    auto y = poisoned(n * out);
    kernels::linear(n, in, out, x.data(), w.data(), with_bias ? bias.data() : nullptr, relu, y.data());
    return y;
  }
  std::vector<Real> input_grad() const {
    auto dx = poisoned(n * in);
    kernels::linear_input_grad(n, in, out, dy.data(), w.data(), dx.data());
    return dx;
  }
  std::vector<Real> weight_grad() const {
    auto dw = poisoned(out * in);
    kernels::linear_weight_grad(n, in, out, x.data(), dy.data(), dw.data());
    return dw;
  }
  /// Calls visit(example, input, output) for every product.
  template <class Visit>
  void for_each_product(Visit visit) const {
    for (Index e = 0; e < n; ++e)
      for (Index o = 0; o < out; ++o)
        for (Index i = 0; i < in; ++i)
          visit(static_cast<std::size_t>(e * in + i), static_cast<std::size_t>(o * in + i),
                static_cast<std::size_t>(e * out + o));
  }
};

/// The networks' layers, extents that are no multiple of any vector, one of each, more than one chunk.
std::vector<Layer> layers() {
  return {{64, 784, 40}, {64, 40, 20}, {64, 20, 10}, {33, 576, 64}, {3, 64, 10},
          {1, 1, 1},     {5, 7, 3},    {70, 17, 33}, {1, 784, 40},  {130, 100, 5}};
}

template <class Check>
void for_each_layer(Check check) {
  for (const Layer& layer : layers()) {
    SCOPED_TRACE(testing::Message() << layer.n << " examples, " << layer.in << " -> " << layer.out);
    check(layer);
  }
}

TEST(Linear, ForwardIsItsDefinition) {
  for_each_layer([](const Layer& l) {
    std::vector<Real> plain(l.dy.size());
    l.for_each_product([&](auto x, auto w, auto y) { plain[y] += l.x[x] * l.w[w]; });
    for (const bool with_bias : {false, true})
      for (const bool relu : {false, true}) {
        auto expected = plain;
        for (std::size_t k = 0; k < expected.size(); ++k) {
          if (with_bias) expected[k] += l.bias[k % l.bias.size()];
          if (relu) expected[k] = std::max(expected[k], Real(0));
        }
        for_each_instruction_set([&] {
          EXPECT_LT(largest_difference(l.forward(with_bias, relu), expected),
                    sum_tolerance(static_cast<double>(l.in)));
        });
      }
  });
}

TEST(Linear, GradientsAreTheirDefinitions) {
  for_each_layer([](const Layer& l) {
    std::vector<Real> dx(l.x.size()), dw(l.w.size());
    l.for_each_product([&](auto x, auto w, auto y) {
      dx[x] += l.dy[y] * l.w[w];
      dw[w] += l.dy[y] * l.x[x];
    });
    for_each_instruction_set([&] {
      EXPECT_LT(largest_difference(l.input_grad(), dx), sum_tolerance(static_cast<double>(l.out)));
      EXPECT_LT(largest_difference(l.weight_grad(), dw), sum_tolerance(static_cast<double>(l.n)));
    });
  });
}

TEST(Linear, SameBitsOnOneAndTwoThreads) {
  for_each_layer([](const Layer& l) {
    set_threads(1);
    const auto y = l.forward(true, true), dx = l.input_grad(), dw = l.weight_grad();
    set_threads(2);
    EXPECT_TRUE(same_bits(l.forward(true, true), y));
    EXPECT_TRUE(same_bits(l.input_grad(), dx));
    EXPECT_TRUE(same_bits(l.weight_grad(), dw));
  });
}

TEST(Linear, AnEmptyBatchHasAZeroWeightGradient) {
  Layer l{3, 20, 10};
  l.n = 0;
  EXPECT_EQ(l.weight_grad(), std::vector<Real>(l.w.size(), Real(0)));
}

}  // namespace
}  // namespace espalier::test
