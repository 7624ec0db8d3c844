// elementwise.cpp: cuts flat arrays into fixed chunks; the loops are in simd/elementwise.h.
#include "framework/kernels/elementwise.h"

#include <algorithm>
#include <cmath>

#include "framework/core/parallel.h"
#include "framework/kernels/instruction_set.h"
#include "framework/kernels/scratch.h"

namespace espalier::kernels {
namespace {
constexpr Index chunk = 16384;
/// Calls fn(first, count) for fixed chunks of [0, n).
template <class Fn>
void for_each_chunk(Index n, Fn fn) {
  parallel_for(n, chunk, [&](Range r) { fn(r.begin, r.size()); });
}
}  // namespace

void add(Index n, const Real* a, const Real* b, Real* y) {
  const InstructionSet& simd = instruction_set();
  for_each_chunk(n, [&](Index k, Index count) { simd.add(count, a + k, b + k, y + k); });
}
void add_relu(Index n, const Real* a, const Real* b, Real* y) {
  const InstructionSet& simd = instruction_set();
  for_each_chunk(n, [&](Index k, Index count) { simd.add_relu(count, a + k, b + k, y + k); });
}
void axpby(Index n, Real alpha, const Real* a, Real beta, const Real* b, Real* y) {
  const InstructionSet& simd = instruction_set();
  for_each_chunk(n, [&](Index k, Index count) { simd.axpby(count, alpha, a + k, beta, b + k, y + k); });
}
void scale(Index n, Real alpha, const Real* x, Real* y) {
  const InstructionSet& simd = instruction_set();
  for_each_chunk(n, [&](Index k, Index count) { simd.scale(count, alpha, x + k, y + k); });
}
void multiply(Index n, const Real* a, const Real* b, Real* y) {
  const InstructionSet& simd = instruction_set();
  for_each_chunk(n, [&](Index k, Index count) { simd.multiply(count, a + k, b + k, y + k); });
}
void relu(Index n, const Real* x, Real* y) {
  const InstructionSet& simd = instruction_set();
  for_each_chunk(n, [&](Index k, Index count) { simd.relu(count, x + k, y + k); });
}
void keep_positive(Index n, const Real* x, const Real* sign, Real* y) {
  const InstructionSet& simd = instruction_set();
  for_each_chunk(n, [&](Index k, Index count) { simd.keep_positive(count, x + k, sign + k, y + k); });
}
void keep_within(Index n, Real low, Real high, const Real* x, const Real* at, Real* y) {
  const InstructionSet& simd = instruction_set();
  for_each_chunk(n, [&](Index k, Index count) { simd.keep_within(count, low, high, x + k, at + k, y + k); });
}
void finish(Index n, const Finish& f, const Real* x, Real* y) {
  const InstructionSet& simd = instruction_set();
  for_each_chunk(n, [&](Index k, Index count) { simd.finish(count, f, x + k, y + k); });
}
void finish_grad(Index n, const Finish& f, const Real* x, const Real* dy, Real* dx) {
  const InstructionSet& simd = instruction_set();
  for_each_chunk(n, [&](Index k, Index count) { simd.finish_grad(count, f, x + k, dy + k, dx + k); });
}
void reciprocal_sqrt(Index n, const Real* x, Real* y) {
  for_each_chunk(n, [&](Index k, Index count) {
    for (Index i = k; i < k + count; ++i) y[i] = Real(1) / std::sqrt(x[i]);
  });
}

double dot(Index n, const Real* a, const Real* b) {
  const InstructionSet& simd = instruction_set();
  if (n <= chunk) return simd.dot(n, a, b);
  Scratch<double> partial((n + chunk - 1) / chunk);
  for_each_chunk(n, [&](Index k, Index count) { partial[k / chunk] = simd.dot(count, a + k, b + k); });
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
  const SgdStep step{rate, momentum, decay, nesterov};
  const InstructionSet& simd = instruction_set();
  for_each_chunk(n, [&](Index k, Index count) {
    simd.sgd(step, count, gradient + k, mask ? mask + k : nullptr, velocity + k, w + k);
  });
}

}  // namespace espalier::kernels
