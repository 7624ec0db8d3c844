// sparse_conv2d_test.cpp: products by the weights kept against the six loops of conv2d_reference, which see
// the zeros too: every instruction set, images and tiles in the lanes, densities from nothing to everything.
#include "framework/kernels/sparse_conv2d.h"

#include "framework/core/check.h"
#include "framework/core/parallel.h"
#include "framework/kernels/linear.h"
#include "tests/kernels/blocked_cases.h"
#include "tests/kernels/conv_cases.h"
#include "tests/support/precision.h"

namespace espalier::test {
namespace {

using Values = std::vector<Real>;

/// Normal weights, of which a share `density` is left. The first of `rows` rows is empty where any weight is
/// pruned.
Values pruned_weights(Index rows, Index size, double density) {
  Values w = normal_values(size, 2);
  Random random(3, Random::Use::test);
  for (Index k = 0; k < size; ++k)
    if (density < 1 && (k < size / rows || random.uniform(0, 1) >= density)) w[k] = 0;
  return w;
}

struct SparseCase {
  SparseCase(const ConvCase& c, Index images, double density)
      : g(c.geometry()), n(images), w(pruned_weights(g.out_c, g.weight().size(), density)) {}
  ConvGeometry g;
  Index n;
  Values w, x = normal_values(g.input(n).size(), 1), bias = normal_values(g.out_c, 4),
            add = normal_values(g.output(n).size(), 5);

  Values expected(bool with_bias, bool with_add, bool relu) const {
    Values y = poisoned(g.output(n).size());
    kernels::conv2d_reference(g, n, x.data(), w.data(), with_bias ? bias.data() : nullptr, false, y.data());
    for (std::size_t k = 0; k < y.size(); ++k) {
      if (with_add) y[k] += add[k];
      if (relu) y[k] = std::max(y[k], Real(0));
    }
    return y;
  }
  std::optional<BlockedPair> shapes(kernels::LaneGrid grid, Index spare = 0) const {
    return blocked_pair(grid, g.input(n), g.output(n), kernels::sparse_window(g), spare);
  }
  Values result(const BlockedPair& s, bool with_bias, bool with_add, bool relu, Index lists = 1,
                kernels::SparseCut cut = {}) const {
    const kernels::SparseConv2d conv(g, w.data(), with_bias ? bias.data() : nullptr, s.in, s.out, lists, cut);
    EXPECT_EQ(conv.nonzeros(), static_cast<Index>(w.size()) - std::count(w.begin(), w.end(), Real(0)));
    kernels::BlockedShape plain = s.out;
    plain.halo = 0;
    Blocked from(s.in, n, x), plus(plain, n, add), y(s.out, n);
    conv.run(n, from.data(), relu, y.data(), with_add ? plus.data() : nullptr, plain);
    y.expect_halos();
    return y.images();
  }
  double allowed() const { return sum_tolerance(static_cast<double>(g.kernel_h * g.kernel_w * g.in_c)); }
};

const std::vector<ConvCase>& sparse_cases() {
  // name, n, h, w, in, out, kernel, stride, pad, dilation
  static const std::vector<ConvCase> cases = {
      {"first_5x5", 1, 16, 16, 3, 8, 5, 1, 2},   {"fifteen_5x5", 1, 15, 15, 8, 7, 5, 1, 2},
      {"seven_5x5", 1, 7, 7, 6, 10, 5, 1, 2},    {"resnet_3x3", 1, 16, 16, 9, 16, 3, 1, 1},
      {"eight_3x3", 1, 8, 8, 20, 12, 3, 1, 1},   {"stride2_3x3", 1, 16, 16, 5, 6, 3, 2, 1},
      {"projection", 1, 16, 16, 6, 9, 1, 2, 0},  {"pointwise", 1, 7, 7, 5, 4, 1, 1, 0},
      {"one_channel", 1, 7, 7, 1, 1, 3, 1, 1},   {"rectangle", 1, 5, 11, 3, 4, 3, 1, 1},
      {"no_padding", 1, 12, 12, 2, 5, 5, 1, 0},  {"stride3", 1, 11, 10, 3, 4, 3, 3, 1},
      {"stride2_5x5", 1, 15, 15, 3, 4, 5, 2, 2}, {"dilation2", 1, 11, 11, 3, 4, 3, 1, 2, 2},
      {"one_pixel", 1, 1, 1, 9, 6, 1, 1, 0},     {"wide", 1, 3, 40, 2, 3, 3, 1, 1}};
  return cases;
}

TEST(SparseConv2d, IsTheConvolutionWithTheZeros) {
  for (const ConvCase& c : sparse_cases())
    for (const double density : {0.0, 0.05, 0.3, 1.0}) {
      const SparseCase layer(c, 5, density);
      SCOPED_TRACE(testing::Message() << c.name << " density " << density);
      const Values plain = layer.expected(true, false, false), full = layer.expected(true, true, true);
      for_each_grid([&](kernels::LaneGrid grid) {
        const auto shapes = layer.shapes(grid);
        if (!shapes) return;
        ASSERT_LT(largest_difference(layer.result(*shapes, true, false, false), plain), layer.allowed());
        ASSERT_LT(largest_difference(layer.result(*shapes, true, true, true), full), layer.allowed());
      });
    }
}

TEST(SparseConv2d, EveryBatchFromOneTo33) {
  for (Index n = 1; n <= 33; ++n) {
    SCOPED_TRACE(n);
    const SparseCase layer({"seven", n, 7, 7, 4, 5, 3, 1, 1}, n, 0.2);
    const Values expected = layer.expected(false, true, true);
    for_each_grid([&](kernels::LaneGrid grid) {
      ASSERT_LT(largest_difference(layer.result(*layer.shapes(grid), false, true, true), expected),
                layer.allowed());
    });
  }
}

// Which pixels share registers must change no bit; which channels share a pass changes the order of sums
// only.
TEST(SparseConv2d, EveryCutIsTheSameConvolution) {
  for (const ConvCase& c :
       {ConvCase{"row", 1, 5, 23, 6, 5, 3, 1, 1}, ConvCase{"stride2", 1, 9, 31, 6, 5, 3, 2, 1}}) {
    const SparseCase layer(c, 2, 0.4);
    const Values expected = layer.expected(true, false, false);
    for_each_instruction_set([&] {
      const Index lanes = kernels::instruction_set().lanes;
      const auto shapes = *layer.shapes(kernels::lane_grid(lanes, lanes), 1);
      for (const Index in_block : {1, 2, 5, 6}) {
        const Values first = layer.result(shapes, true, false, false, 1, {1, 1, in_block});
        ASSERT_LT(largest_difference(first, expected), layer.allowed());
        for (const Index rows : {1, 2, 4})
          for (Index columns = 1; columns <= 16; ++columns)
            ASSERT_TRUE(
                same_bits(layer.result(shapes, true, false, false, 1, {rows, columns, in_block}), first))
                << rows << " x " << columns << " in blocks of " << in_block;
      }
    });
  }
}

TEST(SparseConv2d, SameBitsOnAnyNumberOfThreadsAndLists) {
  for (const Index n : {1, 3, 20})
    for_each_grid([n](kernels::LaneGrid grid) {
      const SparseCase layer({"layer", n, 8, 8, 6, 11, 3, 1, 1}, n, 0.2);
      const auto shapes = *layer.shapes(grid);
      set_threads(1);
      const Values y = layer.result(shapes, true, true, true);
      set_threads(2);
      for (const Index lists : {1, 2, 3, 50})
        ASSERT_TRUE(same_bits(layer.result(shapes, true, true, true, lists), y)) << lists << " lists";
    });
}

// A diverging network must show as NaN in the loss, not as a zero behind a ReLU.
TEST(SparseConv2d, ReluKeepsNan) {
  for_each_grid([](kernels::LaneGrid grid) {
    SparseCase layer({"layer", 1, 5, 5, 2, 2, 3, 1, 1}, 1, 1);
    std::fill(layer.x.begin(), layer.x.end(), std::numeric_limits<Real>::quiet_NaN());
    const auto shapes = *layer.shapes(grid);
    const kernels::SparseConv2d conv(layer.g, layer.w.data(), nullptr, shapes.in, shapes.out);
    Blocked x(shapes.in, 1, layer.x), y(shapes.out, 1);
    conv.run(1, x.data(), true, y.data());
    for (const Real v : y.images()) ASSERT_TRUE(std::isnan(v));
  });
}

TEST(SparseConv2d, MemoryFollowsTheWeightsKept) {
  const ConvCase c{"layer", 1, 8, 8, 64, 64, 3, 1, 1};
  const Index lanes = kernels::instruction_set().lanes;
  const auto bytes = [&](double density) {
    const SparseCase layer(c, 1, density);
    const auto shapes = *layer.shapes(kernels::lane_grid(lanes, lanes));
    return kernels::SparseConv2d(layer.g, layer.w.data(), nullptr, shapes.in, shapes.out).memory();
  };
  EXPECT_LT(bytes(0.05), 64 * 64 * 9 * sizeof(Real) / 4);
}

TEST(SparseConv2d, AnotherLayersShapesAreRefused) {
  const SparseCase layer({"layer", 1, 8, 8, 4, 4, 3, 1, 1}, 1, 1);
  const Index lanes = kernels::instruction_set().lanes;
  auto shapes = *layer.shapes(kernels::lane_grid(lanes, lanes));
  shapes.in.halo = 0;
  EXPECT_THROW(layer.result(shapes, false, false, false), Error);
  shapes = *layer.shapes(kernels::lane_grid(lanes, lanes));
  shapes.in.channels = 3;
  EXPECT_THROW(kernels::SparseConv2d(layer.g, layer.w.data(), nullptr, shapes.in, shapes.out), Error);
}

struct LinearCase {
  Index in, out;
  double density;
};

TEST(SparseLinear, IsTheProductWithTheZeros) {
  for (const LinearCase& c : {LinearCase{784, 40, 0.1}, LinearCase{40, 20, 0.3}, LinearCase{20, 10, 1},
                              LinearCase{1, 1, 1}, LinearCase{7, 3, 0}, LinearCase{33, 17, 0.5}})
    for (const Index n : {1, 2, 15, 33, 64, 130}) {
      SCOPED_TRACE(testing::Message() << c.in << " -> " << c.out << ", " << n << " examples");
      const Values w = pruned_weights(c.out, c.in * c.out, c.density), bias = normal_values(c.out, 4);
      const Values x = normal_values(n * c.in, 1);
      Values expected(n * c.out);
      for (Index e = 0; e < n; ++e)
        for (Index o = 0; o < c.out; ++o) {
          double sum = static_cast<double>(bias[o]);
          for (Index i = 0; i < c.in; ++i)
            sum += static_cast<double>(x[e * c.in + i]) * static_cast<double>(w[o * c.in + i]);
          expected[e * c.out + o] = static_cast<Real>(std::max(sum, 0.0));
        }
      for_each_instruction_set([&] {
        const kernels::SparseLinear layer(c.in, c.out, w.data(), bias.data());
        for (const int threads : {1, 2}) {
          set_threads(threads);
          Values y = poisoned(n * c.out);
          layer.rows(n, x.data(), true, y.data());
          ASSERT_LT(largest_difference(y, expected), sum_tolerance(static_cast<double>(c.in)));
          const Index held = kernels::column_blocks(n) * kernels::column_examples;
          Values from = poisoned(held * c.in), to = poisoned(held * c.out);
          y = poisoned(n * c.out);
          kernels::rows_to_columns(n, c.in, x.data(), from.data());
          layer.columns(n, from.data(), true, to.data());
          kernels::columns_to_rows(n, c.out, to.data(), y.data());
          ASSERT_LT(largest_difference(y, expected), sum_tolerance(static_cast<double>(c.in)));
        }
      });
    }
}

}  // namespace
}  // namespace espalier::test
