// backward.h: the reverse pass, in two forms. grad() returns Vars and can itself be differentiated.
// backward() is the one of training and of per-example gradients: it hands every weight gradient to a sink
// *as a function of the examples*, so that their sum, the rows of single examples and the rows of
// mini-batches are one mechanism.
#pragma once

#include <span>
#include <vector>

#include "framework/autograd/var.h"

namespace espalier {

struct GradOptions {
  bool create_graph = false;  ///< record the reverse pass, so that its result can be differentiated
};

/// Gradients of sum(seed * y) with respect to each of `wrt`; `seed` has y's shape, or is empty for all ones.
/// A Var that y does not depend on gets zeros. The graph stays as it is.
std::vector<Var> grad(const Var& y, std::span<const Var> wrt, GradOptions options = {}, const Var& seed = {});

/// The gradient of one parameter at one node of the graph, for any range of the batch's examples.
class Partial {
 public:
  Partial(const Node& node, int argument, const Var& dy) : node_(node), argument_(argument), dy_(dy) {}
  Index examples() const { return dy_.shape()[0]; }
  /// Sum over the examples `range` of their gradients, in the parameter's shape. Safe from several threads.
  Tensor operator()(Range range) const;
  /// The same, written to `to` without a tensor in between where the op's rule can.
  void write(Range range, Real* to) const;
  Tensor all() const { return (*this)({0, examples()}); }
  /// What met the weight in its op, and the gradient with respect to the op's output: [examples, ..] each.
  /// The weight's gradient is bilinear in the two, which is what Kronecker factors are made of.
  const Tensor& input() const { return node_.inputs[0].value(); }
  const Tensor& output_gradient() const { return dy_.value(); }

 private:
  void check(Range range) const;
  const Node& node_;
  int argument_;
  const Var& dy_;
};

/// Receives the weight gradients of one reverse pass. A parameter used twice arrives twice: add up.
struct GradientSink {
  virtual ~GradientSink() = default;
  /// A parameter not wanted is not accepted, and the pass leaves out whatever leads to such ones alone.
  virtual bool wants(ParameterId) const { return true; }
  virtual void accept(ParameterId parameter, const Partial& partial) = 0;
};

enum class Tape { consume, keep };

/// Reverse pass from y with `seed` of y's shape (for per-example losses y[n]: ones give the sum over
/// examples, 1/n their mean). Tape::consume releases buffers as the pass goes, so y's graph can't be used
/// again; Tape::keep leaves it for another pass with another seed.
void backward(const Var& y, const Tensor& seed, GradientSink& sink, Tape tape = Tape::consume);

}  // namespace espalier
