// var.h: a value that remembers how it was made. The graph is built eagerly: every op computes its output at
// once and records its inputs together with one gradient rule per input. Rules are written in ops themselves,
// so the derivative of a derivative comes from the same rule, and nothing is derived by hand twice.
#pragma once

#include <algorithm>
#include <array>
#include <initializer_list>
#include <memory>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "framework/core/buffer_pool.h"
#include "framework/core/check.h"
#include "framework/core/tensor.h"

namespace espalier {

struct Node;
using ParameterId = int;

/// A shared handle to a node. Copying is cheap; a default Var is empty (no value).
class Var {
 public:
  Var() = default;
  /// A constant, or with `requires_grad` a leaf that grad() can be asked about.
  explicit Var(Tensor value, bool requires_grad = false);
  /// A leaf that stands for parameter `id` of a ParameterStore.
  static Var parameter(Tensor value, ParameterId id);
  explicit Var(std::shared_ptr<Node> node) : node_(std::move(node)) {}

  bool empty() const { return node_ == nullptr; }
  const Tensor& value() const;
  const Shape& shape() const { return value().shape(); }
  bool requires_grad() const;
  /// Lets the values go, for all who hold this Var; the shape stays. For those that no gradient rule will read.
  void forget_values() const;
  Node* node() const { return node_.get(); }

 private:
  std::shared_ptr<Node> node_;
};

/// Does row n of the output depend on row n of the inputs only? Training-mode batch norm couples its
/// examples, and per-example gradients have no meaning there.
enum class Coupling { independent, coupled };

/// The inputs of one op as its rules see them: a few in place, which is all that most ops have, others behind
/// them.
class Inputs {
 public:
  Inputs() = default;
  Inputs(std::initializer_list<Var> vars) { fill(vars); }
  explicit Inputs(std::span<const Var> vars) { fill(vars); }
  const Var& operator[](int i) const { return i < few ? first_[i] : rest_[i - few]; }
  Var& operator[](int i) { return i < few ? first_[i] : rest_[i - few]; }
  int count() const { return count_; }
  void clear() {
    for (Var& v : first_) v = Var();
    rest_.clear();
    count_ = 0;
  }

 private:
  template <class Vars>
  void fill(const Vars& vars) {
    for (const Var& v : vars) {
      if (count_ < few)
        first_[count_] = v;
      else
        rest_.push_back(v);
      ++count_;
    }
  }
  static constexpr int few = 4;
  std::array<Var, few> first_;
  std::vector<Var, PoolAllocator<Var>> rest_;
  int count_ = 0;
};

struct Node {
  virtual ~Node() = default;
  /// dy is the gradient of the scalar with respect to this node's value; returns the one with respect to
  /// inputs[argument], built from ops. Not called for inputs without requires_grad.
  virtual Var rule(int argument, const Inputs& in, const Var& out, const Var& dy) const {
    (void)argument, (void)in, (void)out, (void)dy;
    fail(ExitCode::internal, "[{}] a leaf has no gradient rule", op);
  }
  /// What rule() gives, summed over the examples of a range, written to `to` (of inputs[argument]'s shape).
  /// False if the op can only make a tensor.
  virtual bool write_rule(int argument, const Inputs& in, const Var& dy, Range range, Real* to) const {
    (void)argument, (void)in, (void)dy, (void)range, (void)to;
    return false;
  }
  const char* op = "leaf";
  Tensor value;
  Inputs inputs;
  bool requires_grad = false;
  Coupling coupling = Coupling::independent;
  ParameterId parameter = -1;
  std::uint64_t order = 0;  // creation number: inputs always have smaller ones than outputs

  // Scratch of the reverse pass (autograd/backward.cpp).
  Var gradient;
  std::uint64_t visit = 0;
};

/// Whether ops record themselves on this thread. Off inside first-order reverse passes and evaluation.
bool recording();
class Recording {
 public:
  explicit Recording(bool on);
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

 private:
  bool before_;
};

/// Stands in for the rule of an input that is never differentiated (dropout masks, pooling winners).
struct NoGradient {
  Var operator()(const Inputs&, const Var&, const Var&) const {
    fail(ExitCode::internal, "[autograd] asked for the gradient of a non-differentiable input");
  }
};

namespace detail {

template <class... Rules>
struct OpNode final : Node {
  explicit OpNode(Rules... r) : rules(std::move(r)...) {}
  Var rule(int argument, const Inputs& in, const Var& out, const Var& dy) const override {
    return call(argument, in, out, dy, std::index_sequence_for<Rules...>());
  }
  template <std::size_t... I>
  Var call(int argument, const Inputs& in, const Var& out, const Var& dy, std::index_sequence<I...>) const {
    Var result;
    (void)((static_cast<int>(I) == argument && (result = std::get<I>(rules)(in, out, dy), true)) || ...);
    return result;
  }
  bool write_rule(int argument, const Inputs& in, const Var& dy, Range range, Real* to) const override {
    return write(argument, in, dy, range, to, std::index_sequence_for<Rules...>());
  }
  template <std::size_t... I>
  bool write(int argument, const Inputs& in, const Var& dy, Range range, Real* to,
             std::index_sequence<I...>) const {
    return ((static_cast<int>(I) == argument && write_with(std::get<I>(rules), in, dy, range, to)) || ...);
  }
  template <class Rule>
  static bool write_with(const Rule& rule, const Inputs& in, const Var& dy, Range range, Real* to) {
    if constexpr (requires { rule.write(in, dy, range, to); }) return rule.write(in, dy, range, to), true;
    return false;
  }
  std::tuple<Rules...> rules;
};
template <class Rule>
struct AlikeNode final : Node {
  explicit AlikeNode(Rule r) : one_rule(std::move(r)) {}
  Var rule(int argument, const Inputs& in, const Var& out, const Var& dy) const override {
    return one_rule(argument, in, out, dy);
  }
  Rule one_rule;
};
void finish(Node& node, const char* op, const Inputs& in, Tensor out, Coupling coupling);
bool any_requires_grad(const Inputs& in);

}  // namespace detail

/// Makes the Var for `out = op(in...)`. One rule per input: Var rule(const Inputs& in, const Var& out, const
/// Var& dy). Rules must read batched data only through in, out and dy (never captured): the same rule is also
/// run on slices of the batch to give per-example gradients.
/// The rule of a weight may have a member write(in, dy, range, to) besides, which puts the gradient over the
/// examples `range` where it is wanted (Partial::write).
template <class... Rules>
Var record(const char* op, const Inputs& in, Tensor out, Coupling coupling, Rules... rules) {
  if (!recording() || !detail::any_requires_grad(in)) return Var(std::move(out));
  require(in.count() == sizeof...(Rules), "[{}] {} inputs but {} rules", op, in.count(), sizeof...(Rules));
  auto node = std::allocate_shared<detail::OpNode<Rules...>>(PoolAllocator<Node>(), std::move(rules)...);
  detail::finish(*node, op, in, std::move(out), coupling);
  return Var(std::move(node));
}
template <class Rule, class... Rules>
requires(!std::is_same_v<Rule, Coupling>) Var
    record(const char* op, const Inputs& in, Tensor out, Rule rule, Rules... rules) {
  return record(op, in, std::move(out), Coupling::independent, std::move(rule), std::move(rules)...);
}

/// The same for any number of inputs that are alike: Var rule(int argument, in, out, dy) serves them all.
template <class Rule>
Var record_alike(const char* op, std::span<const Var> in, Tensor out, Rule rule) {
  const Inputs inputs(in);
  if (!recording() || !detail::any_requires_grad(inputs)) return Var(std::move(out));
  auto node = std::allocate_shared<detail::AlikeNode<Rule>>(PoolAllocator<Node>(), std::move(rule));
  detail::finish(*node, op, inputs, std::move(out), Coupling::independent);
  return Var(std::move(node));
}

}  // namespace espalier
