#include "framework/kernels/activation.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "framework/core/parallel.h"
#include "framework/kernels/elementwise.h"
#include "framework/kernels/instruction_set.h"
#include "framework/kernels/scratch.h"

namespace espalier {

using Kind = Activation::Kind;

Activation::Activation(Kind k) : kind(k) {
  if (k == Kind::leaky_relu) alpha = 0.01;
  if (k == Kind::clip) beta = 6;
  if (k == Kind::hard_sigmoid || k == Kind::hard_swish) alpha = 1.0 / 6, beta = 0.5;
  if (k == Kind::elu) alpha = 1;
}

bool piecewise_linear(Kind kind) {
  return kind == Kind::none || kind == Kind::relu || kind == Kind::leaky_relu || kind == Kind::clip ||
         kind == Kind::hard_sigmoid;
}

std::optional<kernels::Finish> fused(const Activation& f) {
  using kernels::Finish;
  const auto a = static_cast<Real>(f.alpha), b = static_cast<Real>(f.beta);
  if (f.kind == Kind::none) return Finish();
  if (f.kind == Kind::relu) return Finish(true);
  if (f.kind == Kind::clip) return Finish(Finish::Kind::clip, a, b);
  if (f.kind == Kind::hard_swish) return Finish(Finish::Kind::hard_swish, a, b);
  return std::nullopt;
}

const char* name_of(Kind kind) {
  switch (kind) {
    case Kind::none:
      return "identity";
    case Kind::relu:
      return "relu";
    case Kind::leaky_relu:
      return "leaky_relu";
    case Kind::clip:
      return "clip";
    case Kind::sigmoid:
      return "sigmoid";
    case Kind::hard_sigmoid:
      return "hard_sigmoid";
    case Kind::hard_swish:
      return "hard_swish";
    case Kind::tanh:
      return "tanh";
    case Kind::elu:
      return "elu";
    case Kind::gelu:
      return "gelu";
    case Kind::silu:
      return "silu";
  }
  return "";
}

namespace kernels {
namespace {

template <class Fn>
void map(Index n, const Real* x, Real* y, Fn fn) {
  constexpr Index chunk = 4096;
  parallel_for(n, chunk, [&](Range r) {
    for (Index k = r.begin; k < r.end; ++k) y[k] = fn(x[k]);
  });
}

/// y = fn(x, e^-|x|): the exponential of a whole chunk at a time, by vectors.
template <class Fn>
void map_with_exponential(Index n, const Real* x, Real* y, Fn fn) {
  constexpr Index chunk = 4096;
  parallel_for(n, chunk, [&](Range r) {
    Scratch<Real> e(r.size());
    for (Index k = 0; k < r.size(); ++k) e[k] = -std::abs(x[r.begin + k]);
    instruction_set().exponential(r.size(), e.data(), e.data());
    for (Index k = 0; k < r.size(); ++k) y[r.begin + k] = fn(x[r.begin + k], e[k]);
  });
}

Real sigmoid_of(Real x, Real e) { return (x >= 0 ? Real(1) : e) / (Real(1) + e); }
Real hard_sigmoid_of(Real x, Real slope, Real shift) {
  return std::clamp(slope * x + shift, Real(0), Real(1));
}
Real normal_of(Real x) { return std::erfc(-x / std::numbers::sqrt2_v<Real>) / 2; }

}  // namespace

void activate(const Activation& f, Index n, const Real* x, Real* y) {
  const auto a = static_cast<Real>(f.alpha), b = static_cast<Real>(f.beta);
  switch (f.kind) {
    case Kind::none:
      if (x != y) std::copy_n(x, n, y);
      return;
    case Kind::relu:
      return relu(n, x, y);
    case Kind::leaky_relu:
      return map(n, x, y, [a](Real v) { return v > 0 ? v : a * v; });
    case Kind::clip:
    case Kind::hard_swish:
      return finish(n, *fused(f), x, y);
    case Kind::sigmoid:
      return map_with_exponential(n, x, y, sigmoid_of);
    case Kind::hard_sigmoid:
      return map(n, x, y, [a, b](Real v) { return hard_sigmoid_of(v, a, b); });
    case Kind::tanh:
      return map(n, x, y, [](Real v) { return std::tanh(v); });
    case Kind::elu:
      return map_with_exponential(n, x, y, [a](Real v, Real e) { return v > 0 ? v : a * (e - Real(1)); });
    case Kind::gelu:
      return map(n, x, y, [](Real v) { return v * normal_of(v); });
    case Kind::silu:
      return map_with_exponential(n, x, y, [](Real v, Real e) { return v * sigmoid_of(v, e); });
  }
}

void normal_distribution(Index n, const Real* x, Real* y) { map(n, x, y, normal_of); }

void normal_density(Index n, const Real* x, Real* y) {
  const Real factor = std::numbers::inv_sqrtpi_v<Real> / std::numbers::sqrt2_v<Real>;
  map(n, x, y, [factor](Real v) { return factor * std::exp(-v * v / 2); });
}

}  // namespace kernels
}  // namespace espalier
