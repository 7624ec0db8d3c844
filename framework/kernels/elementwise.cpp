// elementwise.cpp: one loop per function over fixed chunks.
#include "framework/kernels/elementwise.h"

#include <algorithm>
#include <cmath>

#include "framework/core/parallel.h"
#include "framework/kernels/scratch.h"

namespace espalier::kernels {
namespace {
constexpr Index chunk = 16384;
template <class Fn>
void for_each(Index n, Fn fn) {
  parallel_for(n, chunk, [&](Range r) {
    for (Index k = r.begin; k < r.end; ++k) fn(k);
  });
}
}  // namespace

void add(Index n, const Real* a, const Real* b, Real* y) {
  for_each(n, [=](Index k) { y[k] = a[k] + b[k]; });
}
void axpby(Index n, Real alpha, const Real* a, Real beta, const Real* b, Real* y) {
  for_each(n, [=](Index k) { y[k] = alpha * a[k] + beta * b[k]; });
}
void scale(Index n, Real alpha, const Real* x, Real* y) {
  for_each(n, [=](Index k) { y[k] = alpha * x[k]; });
}
void multiply(Index n, const Real* a, const Real* b, Real* y) {
  for_each(n, [=](Index k) { y[k] = a[k] * b[k]; });
}
void relu(Index n, const Real* x, Real* y) {
  for_each(n, [=](Index k) { y[k] = x[k] < 0 ? Real(0) : x[k]; });
}
void keep_positive(Index n, const Real* x, const Real* sign, Real* y) {
  for_each(n, [=](Index k) { y[k] = sign[k] > 0 ? x[k] : Real(0); });
}
void reciprocal_sqrt(Index n, const Real* x, Real* y) {
  for_each(n, [=](Index k) { y[k] = Real(1) / std::sqrt(x[k]); });
}

double dot(Index n, const Real* a, const Real* b) {
  Scratch<double> partial((n + chunk - 1) / chunk);
  parallel_for(n, chunk, [&](Range r) {
    double sum = 0;
    for (Index k = r.begin; k < r.end; ++k) sum += static_cast<double>(a[k]) * static_cast<double>(b[k]);
    partial[r.begin / chunk] = sum;
  });
  double sum = 0;
  for (Index c = 0; c * chunk < n; ++c) sum += partial[c];
  return sum;
}

void spread_channels(Index rows, Index channels, const Real* x, Real* y) {
  parallel_for(rows, std::max<Index>(1, chunk / std::max<Index>(channels, 1)), [&](Range r) {
    for (Index k = r.begin; k < r.end; ++k) std::copy_n(x, channels, y + k * channels);
  });
}

void sgd_step(Index n, Real rate, Real momentum, bool nesterov, Real decay, const Real* gradient,
              const Real* mask, Real* velocity, Real* w) {
  for_each(n, [=](Index k) {
    const Real g = gradient[k] + decay * w[k];
    const Real v = (momentum * velocity[k] + g) * mask[k];
    velocity[k] = v;
    w[k] = (w[k] - rate * (nesterov ? g + momentum * v : v)) * mask[k];
  });
}

}  // namespace espalier::kernels
