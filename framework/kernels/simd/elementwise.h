// elementwise.h: loops over flat arrays. Outputs may be inputs.
#pragma once

#include "framework/kernels/levels.h"
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

template <bool nesterov>
static void sgd_loop(const SgdStep& s, Index n, const Real* gradient, const Real* mask, Real* velocity,
                     Real* w) {
  const Real rate = s.rate, momentum = s.momentum, decay = s.decay;
  for_each_vector(n, [=](auto tag, Index k) {
    using V = typename decltype(tag)::type;
    const V old = load_as<V>(w + k), keep = load_as<V>(mask + k);
    const V g = load_as<V>(gradient + k) + decay * old;
    const V v = (momentum * load_as<V>(velocity + k) + g) * keep;
    store<V>(velocity + k, v);
    store<V>(w + k, (old - rate * (nesterov ? g + momentum * v : v)) * keep);
  });
}
static void sgd(const SgdStep& s, Index n, const Real* gradient, const Real* mask, Real* velocity, Real* w) {
  (s.nesterov ? sgd_loop<true> : sgd_loop<false>)(s, n, gradient, mask, velocity, w);
}

}  // namespace espalier::kernels::ESPALIER_LEVEL
