// check_op_test.cpp: the checker is given ops that are wrong on purpose and must find each fault.
#include "tests/support/check_op.h"

#include <gtest/gtest.h>

#include "framework/ops/ops.h"

namespace espalier::test {
namespace {

bool names(const Complaints& wrong, const std::string& part) {
  return join(wrong).find(part) != std::string::npos;
}

/// x * x elementwise, with the given rule.
template <class Rule>
OpCase square_with(Rule rule) {
  return {"square", "multiply", {{{3, 4}}}, [rule](const Vars& v) {
            Tensor y = multiply(v[0], v[0]).value().clone();
            return record("square", {v[0]}, std::move(y), rule);
          }};
}

TEST(CheckOp, AcceptsARightRule) {
  const OpCase c =
      square_with([](const Inputs& in, const Var&, const Var& dy) { return scale(multiply(dy, in[0]), 2); });
  EXPECT_EQ(join(check_derivatives(c, 3)), "");
}

TEST(CheckOp, FindsAWrongSlope) {
  const OpCase c = square_with(
      [](const Inputs& in, const Var&, const Var& dy) { return scale(multiply(dy, in[0]), Real(1.9)); });
  EXPECT_TRUE(names(check_derivatives(c, 1), "slope in input 0"));
}

TEST(CheckOp, FindsAWrongShape) {
  const OpCase c{"first_half", "none", {{{4, 2}}}, [](const Vars& v) {
                   return record("first_half", {v[0]}, v[0].value().slice({0, 2}),
                                 [](const Inputs&, const Var&, const Var& dy) { return dy; });
                 }};
  EXPECT_THROW(check_derivatives(c, 1), Error);  // the reverse pass itself compares shapes
}

TEST(CheckOp, FindsARuleThatIsRightOnceButCannotBeDifferentiated) {
  if (sizeof(Real) == 4) GTEST_SKIP() << "higher orders are checked in float64";
  const OpCase c = square_with([](const Inputs& in, const Var&, const Var& dy) {
    return scale(multiply(dy, Var(in[0].value())), 2);  // the value, cut off from its history
  });
  EXPECT_TRUE(check_derivatives(c, 1).empty());
  EXPECT_TRUE(names(check_derivatives(c, 2), "of its gradient"));
}

TEST(CheckOp, FindsAnAdjointThatIsNone) {
  const OpCase c{"twice",
                 "scale",
                 {{{3, 4}}},
                 [](const Vars& v) {
                   return record(
                       "twice", {v[0]}, scale(v[0], 2).value().clone(),
                       [](const Inputs&, const Var&, const Var& dy) { return scale(dy, Real(2.001)); });
                 },
                 {0}};
  EXPECT_TRUE(names(check_adjoint(c), "A'u"));
}

/// y = x * w[c], whose rule for w reads the batch either through `in`, as it must, or captured from the
/// forward pass.
OpCase scaled_columns(bool captured) {
  return {"scaled_columns", "none", {{{3, 4}}, {{4}, Kind::parameter}}, [captured](const Vars& v) {
            const Tensor x = v[0].value();
            return record(
                "scaled_columns", {v[0], v[1]}, channel_affine(v[0], v[1], Var()).value().clone(),
                [](const Inputs& in, const Var&, const Var& dy) { return channel_affine(dy, in[1], Var()); },
                [captured, x](const Inputs& in, const Var&, const Var& dy) {
                  const Var seen = captured ? Var(x.slice({0, dy.shape()[0]})) : in[0];
                  return sum_to_channels(multiply(dy, seen));
                });
          }};
}

TEST(CheckOp, FindsARuleThatCapturedTheBatch) {
  EXPECT_EQ(join(check_examples(scaled_columns(false))), "");
  EXPECT_TRUE(names(check_examples(scaled_columns(true)), "batch of one"));
}

TEST(CheckOp, FindsAnOpThatCouplesExamplesAndHidesIt) {
  const OpCase c{"centred", "none", {{{3, 2}}}, [](const Vars& v) {
                   const Var mean =
                       scale(sum_to_channels(v[0]), Real(1) / static_cast<Real>(v[0].shape()[0]));
                   return subtract(v[0], spread_channels(mean, v[0].shape()));
                 }};
  EXPECT_TRUE(names(check_examples(c), "differs in a batch of one"));
}

}  // namespace
}  // namespace espalier::test
