// elementwise.cpp: activations, sums and dropout as ops of graphs.
#include "framework/autograd/arithmetic.h"
#include "framework/graph/ops.h"
#include "framework/graph/ops/rules.h"

namespace espalier {

const char* ActivationOp::type() const { return name_of(function.kind); }

void ActivationOp::fields(Fields& f) {
  switch (function.kind) {
    case Activation::Kind::leaky_relu:
      return f("slope", function.alpha, "of negative values");
    case Activation::Kind::clip:
      f("low", function.alpha, "smallest value");
      f("high", function.beta, "largest value");
      return f.rule(function.alpha <= function.beta, "\"low\" must not be larger than \"high\"");
    case Activation::Kind::hard_sigmoid:
      f("slope", function.alpha, "of the middle piece");
      return f("shift", function.beta, "value at 0");
    case Activation::Kind::elu:
      return f("scale", function.alpha, "of e^x - 1 on the left");
    default:
      return;
  }
}

bool ActivationOp::piecewise_linear(const std::vector<bool>&) const {
  return espalier::piecewise_linear(function.kind);
}

Var ActivationOp::apply(std::span<const Var> in, const StepWeights&, Pass&) const {
  return activate(in[0], function);
}

Shape AddOp::shape(std::span<const Shape> in) const {
  rules::same_shape(in);
  return in[0];
}

Var AddOp::apply(std::span<const Var> in, const StepWeights&, Pass&) const {
  const bool with_relu = joined_activation.kind == Activation::Kind::relu;
  Var sum = in[0];
  for (std::size_t i = 1; i + 1 < in.size(); ++i) sum = add(sum, in[i]);
  return with_relu ? add_relu(sum, in.back()) : activate(add(sum, in.back()), joined_activation);
}

Shape MulOp::shape(std::span<const Shape> in) const {
  if (in[0].rank() == 3 && in[1] == Shape{in[0][2]}) return in[0];
  rules::same_shape(in);
  return in[0];
}
Var MulOp::apply(std::span<const Var> in, const StepWeights&, Pass&) const {
  return in[0].shape() == in[1].shape() ? multiply(in[0], in[1]) : multiply_channels(in[0], in[1]);
}

Shape ConcatOp::shape(std::span<const Shape> in) const {
  Index channels = 0;
  for (const Shape& s : in) {
    const bool fits = s.rank() == in[0].rank() && (s.rank() == 1 || (s[0] == in[0][0] && s[1] == in[0][1]));
    if (!fits)
      fail(ExitCode::config, "needs inputs that differ in their channels only; {} and {} do not", in[0], s);
    channels += s[-1];
  }
  return in[0].rank() == 1 ? Shape{channels} : Shape{in[0][0], in[0][1], channels};
}
Var ConcatOp::apply(std::span<const Var> in, const StepWeights&, Pass&) const { return concat(in); }

void DropoutOp::fields(Fields& f) {
  f("rate", rate, "share of values set to zero", {.low = 0, .high = 1, .high_open = true});
}

Var DropoutOp::apply(std::span<const Var> in, const StepWeights& own, Pass& pass) const {
  if (!pass.training) return in[0];
  return dropout(in[0], rate, Random(pass.dropout_key, Random::Use::dropout, {key_of(own.name)}).next());
}

namespace {

template <Activation::Kind kind>
struct Named final : ActivationOp {
  Named() : ActivationOp(kind) {}
};
using Kind = Activation::Kind;
const bool elementwise_known =
    add_op<Named<Kind::relu>>("max(x, 0)") &&
    add_op<Named<Kind::leaky_relu>>("x, or slope x where negative") &&
    add_op<Named<Kind::clip>>("x within [low, high]; ReLU6 by default") &&
    add_op<Named<Kind::sigmoid>>("1 / (1 + e^-x)") &&
    add_op<Named<Kind::hard_sigmoid>>("slope x + shift within [0, 1]") &&
    add_op<Named<Kind::hard_swish>>("x times x / 6 + 1/2 within [0, 1]") &&
    add_op<Named<Kind::tanh>>("hyperbolic tangent") &&
    add_op<Named<Kind::elu>>("x, or scale (e^x - 1) where negative") &&
    add_op<Named<Kind::gelu>>("x times the normal distribution function of x") &&
    add_op<Named<Kind::silu>>("x sigmoid(x), also called swish") && add_op<AddOp>("sum of values") &&
    add_op<MulOp>("product of values, or of an image and a factor per channel") &&
    add_op<ConcatOp>("channels side by side") && add_op<DropoutOp>("random zeros in training");

}  // namespace

}  // namespace espalier
