// op_table.h: what an op is to a graph: its settings, its rules about shapes, its weights, how it is applied
// to autograd values, and what it costs. The concrete ones are in ops.h. A new op is one struct and one line
//   const bool known = add_op<ConvOp>("convolution");
// and is then known to JSON ("op": "conv"), the tape, the engine and the tables of costs.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "framework/autograd/var.h"
#include "framework/config/fields.h"
#include "framework/graph/graph.h"
#include "framework/kernels/activation.h"

namespace espalier {

/// What differs from pass to pass through a network.
struct Pass {
  bool training = false;          ///< dropout active, batch norm with the statistics of the batch
  std::uint64_t dropout_key = 0;  ///< a function of seed and step; each dropout step derives its own from it
  double statistics_momentum = 0.1;  ///< share of the batch in the running statistics (PyTorch's momentum)
};

/// What a step owns, in the order in which its op declared it.
struct StepWeights {
  const std::string& name;  ///< of the step
  std::span<const Var> parameters;
  std::span<const Tensor> statistics;  ///< views: a training pass moves them
};

/// Numbers of inputs that an op takes.
struct Arity {
  int least = 1, most = 1;
};
constexpr int any_number = 1 << 20;
/// Largest number of channels or units, so that products of a few can't overflow.
constexpr double most_extent = 2147483647;

/// See Op::reads.
struct Reads {
  bool inputs = true, output = true;
};

struct Op {
  virtual ~Op() = default;
  /// Its name in the table and in JSON.
  virtual const char* type() const = 0;
  virtual std::unique_ptr<Op> clone() const = 0;
  virtual void fields(Fields&) {}
  virtual Arity arity() const { return {}; }
  /// Shape of one example of the output. Throws Error(config) with the rule that the inputs or settings
  /// break; the builder puts the step's name and its inputs' names before it.
  virtual Shape shape(std::span<const Shape> in) const = 0;
  /// With leaf names: "weight", "bias".
  virtual std::vector<ParameterSpec> parameters(std::span<const Shape>) const { return {}; }
  virtual std::vector<StatisticSpec> statistics(std::span<const Shape>) const { return {}; }
  /// To batches: every `in` has the examples on axis 0.
  virtual Var apply(std::span<const Var> in, const StepWeights& own, Pass& pass) const = 0;
  /// Multiply-adds of one example.
  virtual Index macs(std::span<const Shape>) const { return 0; }
  /// Whether the output is a piecewise linear function of the inputs marked, in evaluation, the others fixed.
  virtual bool piecewise_linear(const std::vector<bool>&) const { return true; }
  /// What the gradient rules of apply() read besides the gradient of the output. Values that no rule reads are let go
  /// as soon as the forward pass is through with them. False only if apply() makes a new value and never hands an
  /// input on as its output.
  virtual Reads reads(const Pass&) const { return {}; }
  /// Where an activation that follows can be joined to the op (passes.h); null if it can't.
  virtual Activation* activation() { return nullptr; }
  const Activation* joined() const { return const_cast<Op*>(this)->activation(); }
};

/// The part of an op that every one of them writes alike.
template <class Derived>
struct OpOf : Op {
  std::unique_ptr<Op> clone() const override {
    return std::make_unique<Derived>(static_cast<const Derived&>(*this));
  }
};

template <class Concrete>
bool add_op(const std::string& help) {
  return Registry<Op>::add<Concrete>(Concrete().type(), help);
}

}  // namespace espalier
