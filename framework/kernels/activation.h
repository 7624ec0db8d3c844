// activation.h: the functions that act on each value alone. Their derivatives are in ops/activation.cpp.
#pragma once

#include <optional>
#include <string>

#include "framework/core/real.h"
#include "framework/kernels/finish.h"

namespace espalier {

struct Activation {
  enum class Kind {
    none,
    relu,          ///< max(x, 0)
    leaky_relu,    ///< x > 0 ? x : alpha x
    clip,          ///< x within [alpha, beta]; ReLU6 is [0, 6]
    sigmoid,       ///< 1 / (1 + e^-x)
    hard_sigmoid,  ///< alpha x + beta within [0, 1]
    hard_swish,    ///< x hard_sigmoid(x) with x / 6 + 1/2
    tanh,
    elu,   ///< x > 0 ? x : alpha (e^x - 1)
    gelu,  ///< x times the standard normal distribution function of x
    silu   ///< x sigmoid(x)
  };
  Kind kind = Kind::none;
  double alpha = 0, beta = 0;
  Activation() = default;
  /// With the usual alpha and beta: 0.01 of leaky_relu, [0, 6] of clip, x / 6 + 1/2 of hard_sigmoid, 1 of
  /// elu.
  Activation(Kind k);  // NOLINT(google-explicit-constructor): a kind is an activation
  Activation(Kind k, double a, double b = 0) : kind(k), alpha(a), beta(b) {}
  bool operator==(const Activation&) const = default;
  bool is_relu() const { return kind == Kind::relu; }
  explicit operator bool() const { return kind != Kind::none; }
};
/// Whether it is made of straight pieces: its second derivative is zero almost everywhere.
bool piecewise_linear(Activation::Kind kind);
/// What kernels can do to a value before they store it, and gradient rules undo in the same pass; nothing for the
/// other kinds.
std::optional<kernels::Finish> fused(const Activation& f);
/// As in JSON: "leaky_relu".
const char* name_of(Activation::Kind kind);

namespace kernels {

/// y = f(x) of n values; y may be x.
void activate(const Activation& f, Index n, const Real* x, Real* y);
/// The standard normal distribution function (the factor of gelu) and its density.
void normal_distribution(Index n, const Real* x, Real* y);
void normal_density(Index n, const Real* x, Real* y);

}  // namespace kernels
}  // namespace espalier
