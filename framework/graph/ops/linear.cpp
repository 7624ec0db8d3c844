// linear.cpp: the fully connected layer as an op of graphs.
#include "framework/graph/init.h"
#include "framework/graph/ops.h"
#include "framework/graph/ops/rules.h"

namespace espalier {

void LinearOp::fields(Fields& f) {
  f.required()("out", out, "output units", {.low = 1, .high = most_extent});
  f("bias", bias, "add a bias per unit");
  f.one_of("init", init, {{"he", Init::he}, {"glorot", Init::glorot}},
           "fresh weights: he before ReLU, glorot before the classes");
}

Shape LinearOp::shape(std::span<const Shape> in) const {
  if (in[0].rank() != 1) fail(ExitCode::config, "needs features, not images; put flatten before it");
  return {out};
}

std::vector<ParameterSpec> LinearOp::parameters(std::span<const Shape> in) const {
  const Index inputs = in[0][0];
  std::vector<ParameterSpec> own{{"weight",
                                  {out, inputs},
                                  Role::weight,
                                  init == Init::he ? he_normal(inputs) : glorot_uniform(inputs, out)}};
  if (bias) own.push_back({"bias", {out}, Role::bias, constant(0)});
  return own;
}

Var LinearOp::apply(std::span<const Var> in, const StepWeights& own, Pass&) const {
  const bool with_relu = joined_activation.kind == Activation::Kind::relu;
  const Var y = linear(in[0], own.parameters[0], bias ? own.parameters[1] : Var(), with_relu);
  return with_relu ? y : activate(y, joined_activation);
}

namespace {
const bool linear_known = add_op<LinearOp>("fully connected layer");
}

}  // namespace espalier
