// pool2d.cpp: pooling, parallel over examples; the loops are in simd/pool.h.
#include "framework/kernels/pool2d.h"

#include <algorithm>

#include "framework/core/parallel.h"
#include "framework/kernels/instruction_set.h"

namespace espalier::kernels {
namespace {

/// Calls visit(geometry, offset of example e in input-sized arrays, offset in output-sized arrays).
template <class Visit>
void for_each_example(const PoolGeometry& g, Index n, Visit visit) {
  const PoolImage image{g.in_h, g.in_w, g.channels, g.out_h, g.out_w, g.kernel, g.stride};
  const Index in = g.in_h * g.in_w * g.channels, out = g.out_h * g.out_w * g.channels;
  parallel_for(n, n >= 16 ? 4 : 1, [&](Range r) {
    for (Index e = r.begin; e < r.end; ++e) visit(image, e * in, e * out);
  });
}

}  // namespace

void max_pool(const PoolGeometry& g, Index n, const Real* x, bool relu, Real* y, Real* which) {
  const InstructionSet& simd = instruction_set();
  for_each_example(g, n, [&](const PoolImage& image, Index in, Index out) {
    simd.max_pool(image, x + in, relu, y + out, which ? which + out : nullptr);
  });
}

void max_pool_grad(const PoolGeometry& g, Index n, const Real* dy, const Real* which, Real* dx) {
  const InstructionSet& simd = instruction_set();
  for_each_example(g, n, [&](const PoolImage& image, Index in, Index out) {
    simd.max_pool_grad(image, dy + out, which + out, dx + in);
  });
}

void max_pool_gather(const PoolGeometry& g, Index n, const Real* x, const Real* which, Real* y) {
  const InstructionSet& simd = instruction_set();
  for_each_example(g, n, [&](const PoolImage& image, Index in, Index out) {
    simd.max_pool_gather(image, x + in, which + out, y + out);
  });
}

void average_pool(const PoolGeometry& g, Index n, const Real* x, Real* y) {
  const InstructionSet& simd = instruction_set();
  for_each_example(
      g, n, [&](const PoolImage& image, Index in, Index out) { simd.average_pool(image, x + in, y + out); });
}

void average_pool_grad(const PoolGeometry& g, Index n, const Real* dy, Real* dx) {
  const InstructionSet& simd = instruction_set();
  for_each_example(g, n, [&](const PoolImage& image, Index in, Index out) {
    simd.average_pool_grad(image, dy + out, dx + in);
  });
}

void global_average(Index n, Index pixels, Index channels, const Real* x, Real* y) {
  const Real factor = Real(1) / static_cast<Real>(pixels);
  parallel_for(n, 16, [&](Range examples) {
    for (Index e = examples.begin; e < examples.end; ++e) {
      Real* row = y + e * channels;
      std::fill_n(row, channels, Real(0));
      for (Index p = 0; p < pixels; ++p) {
        const Real* pixel = x + (e * pixels + p) * channels;
        for (Index c = 0; c < channels; ++c) row[c] += pixel[c];
      }
      for (Index c = 0; c < channels; ++c) row[c] *= factor;
    }
  });
}

}  // namespace espalier::kernels
