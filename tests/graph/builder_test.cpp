// Graphs are checked as they are built: every complaint names the step, its inputs and the rule.
#include "framework/graph/builder.h"

#include <gtest/gtest.h>

#include "framework/graph/ops.h"
#include "tests/support/expect_error.h"

namespace espalier {
namespace {

using espalier::testing::expect_error;

TEST(GraphBuilder, InfersShapesAndDeclaresParametersInOrder) {
  GraphBuilder net({8, 6, 3});
  net.add("conv", ConvOp({.out = 4, .kernel = 3, .stride = 2, .pad = 1}));
  net.add("bn", BatchNormOp());
  net.add("pool", MaxPoolOp(2, 2));
  net.add("flatten", FlattenOp());
  net.add("fc", LinearOp({.out = 10}));
  const Graph g = net.finish();
  std::vector<std::string> shapes, names;
  for (const Value& v : g.values) shapes.push_back(v.name + v.shape.str());
  for (const ParameterSpec& p : g.parameters) names.push_back(p.name + p.shape.str());
  EXPECT_EQ(shapes, (std::vector<std::string>{"input{8,6,3}", "conv{4,3,4}", "bn{4,3,4}", "pool{2,1,4}",
                                              "flatten{8}", "fc{10}"}));
  EXPECT_EQ(names, (std::vector<std::string>{"conv.weight{4,3,3,3}", "conv.bias{4}", "bn.weight{4}",
                                             "bn.bias{4}", "fc.weight{10,8}", "fc.bias{10}"}));
  EXPECT_EQ(g.statistics[0].name, "bn.running_mean");
  EXPECT_EQ(g.statistics[1].name, "bn.running_var");
}

TEST(GraphBuilder, ShapesOfEveryOp) {
  const auto shape = [](const Op& op, std::vector<Shape> in) { return op.shape(in); };
  ConvOp conv({.out = 8, .kernel = 3});
  conv.kernel_w = 5, conv.stride_w = 2, conv.pad_top = 1, conv.pad_right = 3;
  EXPECT_EQ(shape(conv, {{10, 10, 4}}), (Shape{9, 5, 8})) << "(10 + 1 - 3) / 1 + 1 and (10 + 3 - 5) / 2 + 1";
  EXPECT_EQ(shape(MaxPoolOp(3, 2), {{15, 15, 2}}), (Shape{7, 7, 2}));
  EXPECT_EQ(shape(AveragePoolOp(), {{5, 5, 2}}), (Shape{2, 2, 2}))
      << "the stride is the kernel's extent if not said";
  MaxPoolOp pool(3, 2);
  pool.pool.pad_top = pool.pool.pad_left = 1;
  EXPECT_EQ(shape(pool, {{6, 6, 2}}), (Shape{3, 3, 2})) << "(6 + 1 - 3) / 2 + 1";
  pool.pool.ceil_mode = true;
  EXPECT_EQ(shape(pool, {{7, 6, 2}}), (Shape{4, 3, 2}))
      << "5 / 2 rounded up";
  EXPECT_EQ(shape(GlobalAveragePoolOp(), {{5, 5, 2}}), (Shape{2}));
  EXPECT_EQ(shape(FlattenOp(), {{5, 4, 2}}), (Shape{40}));
  EXPECT_EQ(shape(AddOp(), {{5, 4, 2}, {5, 4, 2}, {5, 4, 2}}), (Shape{5, 4, 2}));
  EXPECT_EQ(shape(MulOp(), {{5, 4, 2}, {2}}), (Shape{5, 4, 2}));
  EXPECT_EQ(shape(ConcatOp(), {{5, 4, 2}, {5, 4, 3}}), (Shape{5, 4, 5}));
  EXPECT_EQ(shape(ConcatOp(), {{5}, {1}}), (Shape{6}));
}

TEST(GraphBuilder, SaysWhichStepBreaksWhichRule) {
  const auto complaint = [](std::initializer_list<std::string> parts, auto build) {
    expect_error(ExitCode::config, parts, [&] {
      GraphBuilder net({8, 8, 3});
      const ValueId a = net.add("left", ConvOp({.out = 4, .kernel = 1})),
                    b = net.add("right", ConvOp({.out = 8, .kernel = 1}), {0});
      build(net, a, b);
      net.finish();
    });
  };
  using Net = GraphBuilder&;
  complaint({"step 'sum' (add)", "'left' {8,8,4}", "'right' {8,8,8}", "must agree"},
            [](Net n, ValueId a, ValueId b) {
              n.add("sum", AddOp(), {a, b});
            });
  complaint({"step 'sum' (add)", "1 inputs", "2 or more"},
            [](Net n, ValueId, ValueId) { n.add("sum", AddOp()); });
  complaint({"step 'fc' (linear)", "flatten before it", "'right' {8,8,8}"},
            [](Net n, ValueId, ValueId) { n.add("fc", LinearOp({.out = 2})); });
  complaint({"step 'conv' (conv)", "5 groups", "8 inputs"},
            [](Net n, ValueId, ValueId) { n.add("conv", ConvOp({.out = 10, .kernel = 1, .groups = 5})); });
  complaint({"step 'pool' (max_pool)", "window 9 pixels in height", "input of 8"},
            [](Net n, ValueId, ValueId) { n.add("pool", MaxPoolOp(9, 1)); });
  complaint({"two steps are named 'left'"}, [](Net n, ValueId, ValueId) { n.add("left", FlattenOp()); });
  complaint({"value 'right'", "twice"},
            [](Net n, ValueId, ValueId) { n.add("again", FlattenOp(), {0}, "right"); });
  complaint({"no step reads", "'left'", "{8,8,4}"},
            [](Net n, ValueId, ValueId b) { n.add("f", FlattenOp(), {b}); });
  complaint({"'cat' (concat)", "channels only"}, [](Net n, ValueId a, ValueId b) {
    n.add("p", MaxPoolOp(2, 2), {b});
    n.add("cat", ConcatOp(), {a, n.last()});
  });
}

}  // namespace
}  // namespace espalier
