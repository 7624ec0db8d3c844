// op_case.h: a row of the table of ops, the inputs drawn for it, and small helpers over tensors. The checks
// themselves are in check_op.h.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "framework/autograd/var.h"
#include "framework/core/random.h"

namespace espalier::test {

using Vars = std::vector<Var>;

/// What an input is to its op. Batched inputs have the examples on axis 0; constants have them too but are
/// not differentiated; whole inputs are differentiated but have no axis of examples.
enum class Kind { batched, parameter, constant, whole };
/// How an input is filled. `spaced` values differ by 0.05 at least and keep 0.05 away from zero, so that no
/// step of a difference crosses a kink of ReLU or changes the winner of a pooling window.
enum class Fill { normal, spaced, positive };

struct Input {
  Shape shape;
  Kind kind = Kind::batched;
  Fill fill = Fill::normal;
};

struct OpCase {
  std::string name;  ///< unique; letters, digits and _
  std::string op;    ///< the function of the header that the row exercises
  std::vector<Input> inputs;
  std::function<Var(const Vars&)> call;
  std::vector<int> linear = {};  ///< inputs in which the op is linear or affine, the others held fixed
  bool independent = true;       ///< row n of the output depends on row n of the batched inputs only
  /// For a fused ReLU: the same op without it. Inputs are then drawn until no value of it is close to zero.
  std::function<Var(const Vars&)> before_relu = nullptr;
};

inline Tensor fill_tensor(const Shape& shape, Fill fill, std::uint64_t seed) {
  Random random(seed, Random::Use::test);
  std::vector<Real> v(shape.size());
  for (std::size_t i = 0; i < v.size(); ++i) {
    const double step = 0.05 * (static_cast<double>(i / 2) + 1);
    if (fill == Fill::normal) v[i] = static_cast<Real>(random.normal());
    if (fill == Fill::positive) v[i] = static_cast<Real>(random.uniform(0.5, 2.0));
    if (fill == Fill::spaced) v[i] = static_cast<Real>(i % 2 == 0 ? step : -step - 0.025);
  }
  if (fill == Fill::spaced) random.shuffle(v);
  return Tensor::from(shape, v);
}

inline Vars draw_inputs(const OpCase& c, std::uint64_t seed) {
  Vars vars;
  for (const Input& in : c.inputs) {
    const Tensor t = fill_tensor(in.shape, in.fill, seed * 100 + vars.size());
    const auto id = static_cast<ParameterId>(vars.size());
    if (in.kind == Kind::parameter)
      vars.push_back(Var::parameter(t, id));
    else
      vars.push_back(Var(t, in.kind != Kind::constant));
  }
  return vars;
}

inline Vars make_inputs(const OpCase& c) {
  if (!c.before_relu) return draw_inputs(c, 1);
  const double margin =
      sizeof(Real) == 8 ? 0.05 : 0.2;  // what a step of check_derivatives() may move a value by
  for (std::uint64_t seed = 1; seed < 1000; ++seed) {
    Vars x = draw_inputs(c, seed);
    const Tensor z = c.before_relu(x).value();
    if (std::all_of(z.values().begin(), z.values().end(), [&](Real v) { return std::abs(v) > margin; }))
      return x;
  }
  fail(ExitCode::internal, "{}: no inputs found that stay clear of the kink of ReLU", c.name);
}

inline double inner(const Tensor& a, const Tensor& b) {
  double sum = 0;
  for (Index i = 0; i < a.size(); ++i)
    sum += static_cast<double>(a.data()[i]) * static_cast<double>(b.data()[i]);
  return sum;
}
inline double norm(const Tensor& a) { return std::sqrt(inner(a, a)); }
/// Largest |a - b|; infinite if the shapes differ, NaN if a value is.
inline double distance(const Tensor& a, const Tensor& b) {
  if (!(a.shape() == b.shape())) return INFINITY;
  double worst = 0;
  for (Index i = 0; i < a.size(); ++i) {
    const double d = std::abs(static_cast<double>(a.data()[i]) - static_cast<double>(b.data()[i]));
    if (!(d <= worst)) worst = d;
    if (std::isnan(worst)) return worst;
  }
  return worst;
}
/// x + step * direction as a leaf of the same standing.
inline Var moved(const Var& x, double step, const Tensor& direction) {
  Tensor t = x.value().clone();
  for (Index i = 0; i < t.size(); ++i)
    t.data()[i] += static_cast<Real>(step * static_cast<double>(direction.data()[i]));
  return x.node()->parameter >= 0 ? Var::parameter(t, x.node()->parameter) : Var(t, x.requires_grad());
}
/// Uniform in [-1, 1]: bounded, so that a step along it is too.
inline Tensor random_direction(const Shape& shape, std::uint64_t seed) {
  Random random(seed, Random::Use::test, {99});
  Tensor d = Tensor::uninitialized(shape);
  for (Real& v : d.values()) v = static_cast<Real>(random.uniform(-1, 1));
  return d;
}
inline Vars differentiable(const Vars& x) {
  Vars wrt;
  for (const Var& v : x)
    if (v.requires_grad()) wrt.push_back(v);
  return wrt;
}

}  // namespace espalier::test
