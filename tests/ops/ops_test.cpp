// ops_test.cpp: every row of op_cases.h against every check of support/check_op.h, and the table against the
// headers. Values of the ops are checked in forward_test.cpp, messages in messages_test.cpp.
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "paths.h"
#include "tests/ops/op_cases.h"

namespace espalier::test {
namespace {

class Op : public ::testing::TestWithParam<OpCase> {
 protected:
  static void expect_nothing(const Complaints& wrong) { EXPECT_TRUE(wrong.empty()) << join(wrong); }
};

// Order 3: the rule, the rule of the rule and the rule of that. Pooling's gather and batch norm's
// differentiable statistics are reached by no lower one.
TEST_P(Op, DerivativesOfThreeOrdersMatchDifferences) { expect_nothing(check_derivatives(GetParam(), 3)); }
TEST_P(Op, AdjointIdentityIsExactWhereLinear) { expect_nothing(check_adjoint(GetParam())); }
TEST_P(Op, GradientOfAnExampleIsThatOfABatchOfOne) { expect_nothing(check_examples(GetParam())); }

INSTANTIATE_TEST_SUITE_P(Table, Op, ::testing::ValuesIn(op_cases()),
                         [](const ::testing::TestParamInfo<OpCase>& row) { return row.param.name; });

std::set<std::string> declared_ops(const std::string& header) {
  std::ifstream in(std::string(ESPALIER_SOURCE_DIR) + "/" + header);
  EXPECT_TRUE(in) << header;
  std::set<std::string> names;
  const std::string type = "Var ";
  for (std::string line; std::getline(in, line);) {
    const std::size_t bracket = line.find('(');
    if (line.starts_with(type) && bracket != std::string::npos)
      names.insert(line.substr(type.size(), bracket - type.size()));
  }
  return names;
}

TEST(OpTable, HasARowForEveryOpThatIsDeclaredAndForNoOther) {
  std::set<std::string> declared = declared_ops("framework/ops/ops.h");
  declared.merge(declared_ops("framework/autograd/arithmetic.h"));
  declared.merge(declared_ops("framework/graph/channel_ops.h"));
  declared.merge(declared_ops("framework/graph/pad_op.h"));
  EXPECT_GE(declared.size(), 30U) << "the headers were not understood";
  std::set<std::string> rows;
  for (const OpCase& c : op_cases()) rows.insert(c.op);
  for (const std::string& op : declared) EXPECT_TRUE(rows.contains(op)) << op << " has no row in op_cases.h";
  for (const std::string& op : rows) EXPECT_TRUE(declared.contains(op)) << op << " is in no header";
}

TEST(OpTable, WeightsOfRowsReachTheSinkDirectly) {
  for (const OpCase& c : op_cases()) {
    if (!c.independent) continue;
    std::set<ParameterId> expected, seen;
    for (std::size_t i = 0; i < c.inputs.size(); ++i)
      if (c.inputs[i].kind == Kind::parameter) expected.insert(static_cast<ParameterId>(i));
    for (const auto& s : run_backward(c.call(make_inputs(c))).seen) seen.insert(s.parameter);
    EXPECT_EQ(seen, expected) << c.name;
  }
}

}  // namespace
}  // namespace espalier::test
