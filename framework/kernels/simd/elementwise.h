// elementwise.h: loops over flat arrays. Outputs may be inputs.
#pragma once

#include "framework/kernels/instruction_set.h"
#include "framework/kernels/simd/finish.h"
#include "framework/kernels/simd/lanes.h"

namespace espalier::kernels::ESPALIER_LEVEL {

/// y[k] = fn(inputs[k]...), vector by vector.
template <class Fn, class... Inputs>
static inline void map(Index n, Real* y, Fn fn, const Inputs*... inputs) {
  for_each_vector(n, [=](auto tag, Index k) {
    using V = typename decltype(tag)::type;
    store<V>(y + k, fn(load_as<V>(inputs + k)...));
  });
}

static void add(Index n, const Real* a, const Real* b, Real* y) {
  map(
      n, y, [](auto p, auto q) { return p + q; }, a, b);
}
static void add_relu(Index n, const Real* a, const Real* b, Real* y) {
  map(
      n, y, [](auto p, auto q) { return rectified(p + q); }, a, b);
}
static void axpby(Index n, Real alpha, const Real* a, Real beta, const Real* b, Real* y) {
  map(
      n, y, [=](auto p, auto q) { return alpha * p + beta * q; }, a, b);
}
static void scale(Index n, Real alpha, const Real* x, Real* y) {
  map(
      n, y, [=](auto p) { return alpha * p; }, x);
}
static void multiply(Index n, const Real* a, const Real* b, Real* y) {
  map(
      n, y, [](auto p, auto q) { return p * q; }, a, b);
}
static void relu(Index n, const Real* x, Real* y) {
  map(
      n, y, [](auto p) { return rectified(p); }, x);
}
static void keep_positive(Index n, const Real* x, const Real* sign, Real* y) {
  map(
      n, y,
      [](auto p, auto s) {
        const decltype(p) zero{};
        return s > zero ? p : zero;
      },
      x, sign);
}

static void keep_within(Index n, Real low, Real high, const Real* x, const Real* at, Real* y) {
  map(
      n, y, [=](auto p, auto v) { return kept_within(v, p, low, high); }, x, at);
}
static void finish(Index n, const Finish& f, const Real* x, Real* y) {
  with_function(f, [=](auto fn) { map(n, y, fn, x); });
}
template <Finish::Kind kind>
static void finish_grad_loop(Index n, const Finish& f, const Real* x, const Real* dy, Real* dx) {
  map(
      n, dx, [&f](auto v, auto d) { return passed_back<kind>(v, d, f); }, x, dy);
}
static void finish_grad(Index n, const Finish& f, const Real* x, const Real* dy, Real* dx) {
  using Kind = Finish::Kind;
  const auto fn = f.kind == Kind::relu         ? finish_grad_loop<Kind::relu>
                  : f.kind == Kind::clip       ? finish_grad_loop<Kind::clip>
                  : f.kind == Kind::hard_swish ? finish_grad_loop<Kind::hard_swish>
                                               : finish_grad_loop<Kind::none>;
  fn(n, f, x, dy, dx);
}

static constexpr Real inverse_factorial(int n) {
  double f = 1;
  for (int i = 2; i <= n; ++i) f *= i;
  return static_cast<Real>(1 / f);
}
/// e^x = 2^k e^r with k = x / ln 2 rounded, so |r| <= ln 2 / 2: Taylor's series of e^r to a degree whose
/// remainder is below the rounding. 0 where e^x is no normal number; x must not exceed 80; a NaN stays.
template <class V>
static inline V exponential_of(V x) {
  constexpr bool single = sizeof(Real) == 4;
  constexpr int mantissa = single ? 23 : 52, degree = single ? 7 : 13;
  constexpr Real low = single ? -87 : -708, per_ln2 = static_cast<Real>(1.4426950408889634074);
  // ln 2 in two parts, the first with so few digits that k times it is exact (Cody & Waite 1980).
  constexpr Real ln2 = static_cast<Real>(single ? 0.693359375 : 6.93147180369123816490e-01),
                 ln2_rest = static_cast<Real>(single ? -2.12194440054690583e-4 : 1.90821492927058770002e-10);
  constexpr Real round = 3 * static_cast<Real>(Unsigned{1} << (mantissa - 1));  // its last bit counts 1
  const V shifted = x * per_ln2 + round, k = shifted - round;
  const V r = x - k * ln2 - k * ln2_rest;
  V series = V{} + inverse_factorial(degree);
#pragma GCC unroll 16
  for (int d = degree - 1; d >= 0; --d) series = series * r + inverse_factorial(d);
  using Bits = typename BitsOf<V>::type;  // k is in the last bits of `shifted`: they go to the exponent of 1
  const Bits power = (same_bits<Bits>(shifted) << mantissa) + same_bits<Bits>(V{} + Real(1));
  return x < low ? V{} : series * same_bits<V>(power);
}
static void exponential(Index n, const Real* x, Real* y) {
  map(
      n, y, [](auto v) { return exponential_of(v); }, x);
}

static void outer(Index rows, Index columns, const Real* a, const Real* b, Real* y) {
  for (Index r = 0; r < rows; ++r) {
    Real* to = y + r * columns;
    Index k = 0;
    for (; k < columns && reinterpret_cast<__UINTPTR_TYPE__>(to + k) % sizeof(Vector) != 0; ++k)
      to[k] = a[r] * b[k];
    for (; k + lanes <= columns; k += lanes) stream(to + k, a[r] * load(b + k));
    for (; k < columns; ++k) to[k] = a[r] * b[k];
  }
  finish_streams();
}

static double dot(Index n, const Real* a, const Real* b) {
  double part[16] = {};  // independent sums, so that the loop runs at the speed of loads; the order is fixed
  Index k = 0;
  for (; k + 16 <= n; k += 16)
    for (int j = 0; j < 16; ++j) part[j] += static_cast<double>(a[k + j]) * static_cast<double>(b[k + j]);
  for (; k < n; ++k) part[0] += static_cast<double>(a[k]) * static_cast<double>(b[k]);
  double sum = 0;
  for (const double p : part) sum += p;
  return sum;
}

template <bool nesterov, bool masked>
static void sgd_loop(const SgdStep& s, Index n, const Real* gradient, const Real* mask, Real* velocity,
                     Real* w) {
  const Real rate = s.rate, momentum = s.momentum, decay = s.decay;
  for_each_vector(n, [=](auto tag, Index k) {
    using V = typename decltype(tag)::type;
    const V old = load_as<V>(w + k);
    V keep = V{} + Real(1);
    if constexpr (masked) keep = load_as<V>(mask + k);
    const V g = load_as<V>(gradient + k) + decay * old;
    const V v = momentum * load_as<V>(velocity + k) + g, kept = masked ? v * keep : v;
    store<V>(velocity + k, kept);
    const V moved = old - rate * (nesterov ? g + momentum * kept : kept);
    store<V>(w + k, masked ? moved * keep : moved);
  });
}
static void sgd(const SgdStep& s, Index n, const Real* gradient, const Real* mask, Real* velocity, Real* w) {
  const auto loop = mask ? (s.nesterov ? sgd_loop<true, true> : sgd_loop<false, true>)
                         : (s.nesterov ? sgd_loop<true, false> : sgd_loop<false, false>);
  loop(s, n, gradient, mask, velocity, w);
}

}  // namespace espalier::kernels::ESPALIER_LEVEL
