#include "framework/autograd/backward.h"

#include <algorithm>
#include <atomic>

#include "framework/autograd/arithmetic.h"

namespace espalier {
namespace {

std::uint64_t new_visit() {
  static std::atomic<std::uint64_t> visits{0};
  return ++visits;
}

enum class Parameters { with, without };

/// Fills `order` with the nodes that y depends on and that need gradients, outputs before inputs. Parameters
/// are shared by the graphs of all threads: without them nothing shared is written.
void collect(const Var& y, std::vector<Var>& order, Parameters parameters) {
  order.clear();
  if (!y.requires_grad()) return;
  const std::uint64_t visit = new_visit();
  order.push_back(y);
  y.node()->visit = visit;
  for (std::size_t next = 0; next < order.size(); ++next) {
    Node& node = *order[next].node();  // the node itself stays put when `order` grows
    require(node.order == 0 || node.inputs.count() > 0,
            "[{}] an earlier backward() has consumed this graph: run the forward pass again", node.op);
    node.gradient = Var();
    for (int i = 0; i < node.inputs.count(); ++i) {
      const Var& input = node.inputs[i];
      if (!input.requires_grad()) continue;
      if (parameters == Parameters::without && input.node()->parameter >= 0) continue;
      if (input.node()->visit == visit) continue;
      input.node()->visit = visit;
      order.push_back(input);
    }
  }
  std::sort(order.begin(), order.end(),
            [](const Var& a, const Var& b) { return a.node()->order > b.node()->order; });
}

/// Whether the gradient of `input` is wanted, or leads to one that is.
template <class Wanted>
bool leads(const Var& input, std::uint64_t mark, Wanted wanted) {
  return input.requires_grad() && (input.node()->visit == mark || wanted(*input.node()));
}

/// Marks the collected nodes that lead to a node for which `wanted` holds; returns the mark. The reverse pass
/// leaves out the others: for the weights of one layer it ends there.
template <class Wanted>
std::uint64_t mark_paths(const std::vector<Var>& order, Wanted wanted) {
  const std::uint64_t mark = new_visit();
  for (auto v = order.rbegin(); v != order.rend(); ++v) {  // inputs before outputs
    Node& node = *v->node();
    for (int i = 0; i < node.inputs.count(); ++i)
      if (leads(node.inputs[i], mark, wanted)) node.visit = mark;
  }
  return mark;
}

void accumulate(Node& node, Var gradient) {
  require(gradient.shape() == node.value.shape(), "[{}] its gradient has shape {}, its value {}", node.op,
          gradient.shape(), node.value.shape());
  node.gradient = node.gradient.empty() ? std::move(gradient) : add(node.gradient, gradient);
}

}  // namespace

std::vector<Var> grad(const Var& y, std::span<const Var> wrt, GradOptions options, const Var& seed) {
  std::vector<Var> order;
  collect(y, order, Parameters::with);
  const auto wanted = [&](const Node& node) {
    return std::any_of(wrt.begin(), wrt.end(), [&](const Var& v) { return v.node() == &node; });
  };
  const std::uint64_t mark = mark_paths(order, wanted);
  const Recording record(options.create_graph);
  if (y.requires_grad()) accumulate(*y.node(), seed.empty() ? Var(Tensor::full(y.shape(), 1)) : seed);
  for (const Var& v : order) {
    Node& node = *v.node();
    if (node.gradient.empty()) continue;
    for (int i = 0; i < node.inputs.count(); ++i)
      if (leads(node.inputs[i], mark, wanted))
        accumulate(*node.inputs[i].node(), node.rule(i, node.inputs, v, node.gradient));
  }
  std::vector<Var> result;
  for (const Var& v : wrt) {
    const bool reached =
        v.requires_grad() && !v.node()->gradient.empty() &&
        std::any_of(order.begin(), order.end(), [&](const Var& o) { return o.node() == v.node(); });
    result.push_back(reached ? v.node()->gradient : Var(Tensor::zeros(v.shape())));
  }
  for (const Var& v : order) v.node()->gradient = Var();
  return result;
}

void Partial::check(Range range) const {
  if (node_.coupling == Coupling::coupled && range != Range{0, examples()})
    fail(ExitCode::internal,
         "[{}] couples the examples of a batch, so single "
         "examples have no gradient: run it in evaluation mode",
         node_.op);
}

void Partial::write(Range range, Real* to) const {
  check(range);
  if (node_.write_rule(argument_, node_.inputs, dy_, range, to)) return;
  const Tensor gradient = (*this)(range);
  std::copy_n(gradient.data(), gradient.size(), to);
}

Tensor Partial::operator()(Range range) const {
  check(range);
  const bool whole = range == Range{0, examples()};
  const Recording off(false);
  if (whole) return node_.rule(argument_, node_.inputs, Var(node_.value), dy_).value();
  Inputs in = node_.inputs;
  for (int i = 0; i < in.count(); ++i) {
    if (in[i].node()->parameter >= 0) continue;
    require(in[i].shape()[0] == examples(), "[{}] input {} of shape {} has no axis of {} examples", node_.op,
            i, in[i].shape(), examples());
    in[i] = Var(in[i].value().slice(range));
  }
  Tensor gradient =
      node_.rule(argument_, in, Var(node_.value.slice(range)), Var(dy_.value().slice(range))).value();
  // An op of weights alone (a scaled or reshaped weight) has no axis of examples,
  // and its slice would be wrong.
  require(
      gradient.shape() == node_.inputs[argument_].shape(),
      "[{}] its rule gives {} on examples {}..{} for a weight of shape {}: a weight must enter directly the "
      "op that meets it with the batch",
      node_.op, gradient.shape(), range.begin, range.end, node_.inputs[argument_].shape());
  return gradient;
}

void backward(const Var& y, const Tensor& seed, GradientSink& sink, Tape tape) {
  thread_local std::vector<Var> order;
  collect(y, order, Parameters::without);
  const auto wanted = [&](const Node& node) { return node.parameter >= 0 && sink.wants(node.parameter); };
  const std::uint64_t mark = mark_paths(order, wanted);
  const Recording off(false);
  if (y.requires_grad()) accumulate(*y.node(), Var(seed));
  for (Var& v : order) {
    Node& node = *v.node();
    const Var dy = std::exchange(node.gradient, Var());
    if (!dy.empty() && node.inputs.count() > 0) {
      for (int i = 0; i < node.inputs.count(); ++i) {
        if (!leads(node.inputs[i], mark, wanted)) continue;
        Node& input = *node.inputs[i].node();
        if (input.parameter >= 0)
          sink.accept(input.parameter, Partial(node, i, dy));
        else
          accumulate(input, node.rule(i, node.inputs, v, dy));
      }
    }
    if (tape == Tape::consume) node.inputs.clear();  // what only this node needed is free for the next rule
    v = Var();
  }
}

}  // namespace espalier
