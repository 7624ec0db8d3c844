// elementwise.cpp: activations, sums and dropout as ops of graphs.
#include "framework/autograd/arithmetic.h"
#include "framework/graph/ops.h"
#include "framework/graph/ops/rules.h"

namespace espalier {

const char* ActivationOp::type() const { return name_of(function.kind); }

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
const bool known = add_op<Named<Activation::Kind::relu>>("max(x, 0)") && add_op<AddOp>("sum of values") &&
                   add_op<DropoutOp>("random zeros in training");

}  // namespace

}  // namespace espalier
