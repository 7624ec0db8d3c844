// check_op.h: everything that is expected of an op, checked from one row of a table. It holds no knowledge of
// any op; tests/ops/op_cases.h is the table. Each check returns what is wrong as text, so that the checks can
// be checked themselves (tests/ops/check_op_test.cpp gives them wrong rules).
//
// The derivative of a rule is checked like the rule: check_derivatives() replaces a scalar function s by the
// scalar <grad s, v> and starts again ("recursing with order 2", after HIPS/autograd).
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "framework/autograd/arithmetic.h"
#include "framework/autograd/backward.h"
#include "tests/support/op_case.h"
#include "tests/support/precision.h"

namespace espalier::test {

using Complaints = std::vector<std::string>;

using ScalarFunction = std::function<Var(const Vars&)>;

/// (a), (b), (e): every gradient has its input's shape and the right slope along a random direction; then the
/// same for the function <gradient, v>, until `order`.
///
/// The slope is the five-point difference [8 (s(h) - s(-h)) - (s(2h) - s(-2h))] / 12h. In float64 at h = 1e-3
/// it truncates h^4 s^(5) / 30 ~ 3e-14 and rounds ~1e-13 |s|; the tolerance of 1e-8 is far above both and far
/// below what a wrong term of a rule does. In float32 (h = 1e-2) rounding is ~2e-5 |s|:
/// 3e-4, and first order only.
inline void check_derivatives(const ScalarFunction& s, const Vars& x, int order, const std::string& what,
                              Complaints& wrong, std::uint64_t seed = 7) {
  constexpr bool exact = sizeof(Real) == 8;
  const double h = exact ? 1e-3 : 1e-2, tolerated = exact ? 1e-8 : 3e-4;
  const Vars wrt = differentiable(x);
  const Vars g = grad(s(x), wrt);
  std::vector<Tensor> direction;
  for (std::size_t k = 0, i = 0; i < x.size(); ++i) {
    if (!x[i].requires_grad()) continue;
    const Tensor& gradient = g[k++].value();
    direction.push_back(random_direction(x[i].shape(), seed + 10 * i));
    if (!(gradient.shape() == x[i].shape())) {
      wrong.push_back(fmt::format("{}: gradient of input {} has shape {}, the input {}", what, i,
                                  gradient.shape(), x[i].shape()));
      return;
    }
    const auto along = [&](double step) {
      Vars at = x;
      at[i] = moved(x[i], step, direction.back());
      const Recording off(false);  // values only; s turns it on where it needs a gradient inside
      return static_cast<double>(*s(at).value().data());
    };
    const double p1 = along(h), m1 = along(-h), p2 = along(2 * h), m2 = along(-2 * h);
    const double slope = (8 * (p1 - m1) - (p2 - m2)) / (12 * h), ours = inner(gradient, direction.back());
    const double scale = 1 + std::abs(ours) + std::abs(p1) + norm(gradient);
    if (!(std::abs(slope - ours) <= tolerated * scale))
      wrong.push_back(fmt::format("{}: slope in input {} is {:.12g} by the rule, {:.12g} by differences",
                                  what, i, ours, slope));
  }
  if (order < 2 || !exact) return;
  const ScalarFunction next = [s, direction](const Vars& at) {
    const Recording on(
        true);  // the function's own gradient needs a graph even where its value alone is wanted
    const Var here = s(at);
    const Vars first = grad(here, differentiable(at), {.create_graph = true});
    Var sum;
    for (std::size_t k = 0; k < first.size(); ++k) {
      const Var term = dot(first[k], Var(direction[k]));
      sum = sum.empty() ? term : add(sum, term);
    }
    return sum;
  };
  check_derivatives(next, x, order - 1, what + ", of its gradient", wrong, seed + 1);
}

/// The derivatives of an op: those of <call(x), u>, with the seed u an input of its own.
inline Complaints check_derivatives(const OpCase& c, int order = 2) {
  Complaints wrong;
  Vars x = make_inputs(c);
  x.push_back(Var(random_direction(c.call(x).shape(), 3), true));
  const auto call = c.call;
  check_derivatives([call](const Vars& at) { return dot(call(Vars(at.begin(), at.end() - 1)), at.back()); },
                    x, order, c.name, wrong);
  return wrong;
}

/// (c): for an op affine in one input, A d = call(.. d ..) - call(.. 0 ..), and <A d, u> = <d, A'u> holds to
/// rounding: no step size, no truncation.
inline Complaints check_adjoint(const OpCase& c) {
  Complaints wrong;
  for (const int i : c.linear) {
    const auto at = static_cast<std::size_t>(i);
    Vars x = make_inputs(c), zero = x;
    zero[at] = Var(Tensor::zeros(x[at].shape()), true);
    const Var y = c.call(x);
    const Tensor u = random_direction(y.shape(), 5);
    const double forward = inner(y.value(), u) - inner(c.call(zero).value(), u);
    const Var wrt[] = {x[at]};
    const double adjoint = inner(grad(y, wrt, {}, Var(u))[0].value(), x[at].value());
    const double terms = static_cast<double>(y.value().size() + x[at].value().size());
    const double scale = 1 + norm(y.value()) * norm(u);
    if (!(std::abs(forward - adjoint) <= sum_tolerance(terms) * scale))
      wrong.push_back(fmt::format("{}: <A d, u> = {:.17g} but <d, A'u> = {:.17g} for input {}", c.name,
                                  forward, adjoint, i));
  }
  return wrong;
}

/// Keeps, for every parameter, the gradient over all examples, over each one, and over the pair {0, 1}.
struct RecordingSink final : GradientSink {
  struct Seen {
    ParameterId parameter;
    Tensor all, pair;
    std::vector<Tensor> rows;
  };
  std::vector<Seen> seen;
  bool written_alike = true;  ///< whether Partial::write gave the bits of Partial::operator()
  void accept(ParameterId parameter, const Partial& partial) override {
    const auto over = [&](Range range) {
      const Tensor gradient = partial(range);
      Tensor written = Tensor::full(gradient.shape(), std::numeric_limits<Real>::quiet_NaN());
      partial.write(range, written.data());
      written_alike &= std::memcmp(written.data(), gradient.data(), written.values().size_bytes()) == 0;
      return gradient;
    };
    Seen s{parameter, over({0, partial.examples()}), {}, {}};
    for (Index n = 0; n < partial.examples(); ++n) s.rows.push_back(over({n, n + 1}));
    if (partial.examples() > 1) s.pair = over({0, 2});
    seen.push_back(std::move(s));
  }
};

inline RecordingSink run_backward(const Var& y) {
  RecordingSink sink;
  backward(y, Tensor::full(y.shape(), 1), sink);
  return sink;
}

/// The inputs with only example n of what has examples.
inline Vars one_example(const OpCase& c, const Vars& x, Index n) {
  Vars one = x;
  for (std::size_t i = 0; i < x.size(); ++i)
    if (c.inputs[i].kind == Kind::batched || c.inputs[i].kind == Kind::constant)
      one[i] = Var(x[i].value().slice({n, n + 1}).clone(), x[i].requires_grad());
  return one;
}

/// (d): row n of the output, and the gradient of a parameter over [n, n+1), are those of a batch of one; the
/// gradient over a range is the sum of its rows.
inline Complaints check_examples(const OpCase& c) {
  Complaints wrong;
  if (!c.independent) return wrong;
  const Vars x = make_inputs(c);
  const Var y = c.call(x);
  const Index count = y.shape()[0];
  std::vector<Tensor> values;
  for (Index n = 0; n < count; ++n) values.push_back(y.value().slice({n, n + 1}).clone());
  const double allowed = sum_tolerance(static_cast<double>(y.value().size())) * (1 + norm(y.value()));
  const RecordingSink batch = run_backward(y);

  if (!batch.written_alike) wrong.push_back(c.name + ": a gradient written differs from the one returned");

  std::vector<Tensor> sum(batch.seen.size());
  for (Index n = 0; n < count; ++n) {
    const Var alone = c.call(one_example(c, x, n));
    if (!(distance(alone.value(), values[n]) <= allowed))
      wrong.push_back(fmt::format("{}: output of example {} differs in a batch of one", c.name, n));
    const RecordingSink single = run_backward(alone);
    if (single.seen.size() != batch.seen.size()) return {c.name + ": other parameters in a batch of one"};
    for (std::size_t p = 0; p < batch.seen.size(); ++p) {
      const Tensor& row = batch.seen[p].rows[n];
      const double d = distance(row, single.seen[p].all), limit = allowed * (1 + norm(single.seen[p].all));
      if (!(d <= limit))
        wrong.push_back(
            fmt::format("{}: parameter {}, the gradient over example {} "
                        "differs from that of a batch of one by {:.3g}",
                        c.name, batch.seen[p].parameter, n, d));
      sum[p] = n == 0 ? row : add(Var(sum[p]), Var(row)).value();
      if (n == 1 && !(distance(sum[p], batch.seen[p].pair) <= limit))
        wrong.push_back(fmt::format("{}: parameter {}, examples 0..2 are not the sum of 0..1 and 1..2",
                                    c.name, batch.seen[p].parameter));
    }
  }
  for (std::size_t p = 0; p < sum.size(); ++p)
    if (!(distance(sum[p], batch.seen[p].all) <= allowed * (1 + norm(sum[p]))))
      wrong.push_back(fmt::format("{}: parameter {}, the rows do not add up to the whole", c.name,
                                  batch.seen[p].parameter));
  return wrong;
}

inline std::string join(const Complaints& wrong) {
  std::string s;
  for (const std::string& w : wrong) s += "\n  " + w;
  return s;
}

}  // namespace espalier::test
