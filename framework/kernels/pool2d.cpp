// pool2d.cpp: pooling windows, channels innermost.
#include "framework/kernels/pool2d.h"

#include <algorithm>

#include "framework/core/parallel.h"

namespace espalier::kernels {
namespace {

/// Calls visit(output position, input position of the window's corner) for each output pixel of example n.
template <class Visit>
void for_each_window(const PoolGeometry& g, Index n, Visit visit) {
  for (Index p = 0; p < g.out_h; ++p)
    for (Index r = 0; r < g.out_w; ++r)
      visit(((n * g.out_h + p) * g.out_w + r) * g.channels,
            ((n * g.in_h + p * g.stride) * g.in_w + r * g.stride) * g.channels);
}
template <class Visit>
void for_each_example(Index n, Visit visit) {
  parallel_for(n, 1, [&](Range r) {
    for (Index e = r.begin; e < r.end; ++e) visit(e);
  });
}
Index tap_offset(const PoolGeometry& g, Index tap) {
  return (tap / g.kernel * g.in_w + tap % g.kernel) * g.channels;
}
void clear_input(const PoolGeometry& g, Index n, Real* dx) {
  const Index size = g.in_h * g.in_w * g.channels;
  std::fill_n(dx + n * size, size, Real(0));
}

}  // namespace

void max_pool(const PoolGeometry& g, Index n, const Real* x, bool relu, Real* y, Real* which) {
  for_each_example(n, [&](Index e) {
    for_each_window(g, e, [&](Index out, Index in) {
      for (Index c = 0; c < g.channels; ++c) {
        Real best = x[in + c], winner = 0;
        for (Index tap = 1; tap < g.kernel * g.kernel; ++tap) {
          const Real value = x[in + c + tap_offset(g, tap)];
          if (value > best) best = value, winner = static_cast<Real>(tap);
        }
        y[out + c] = relu && best < 0 ? Real(0) : best;
        which[out + c] = winner;
      }
    });
  });
}

void max_pool_grad(const PoolGeometry& g, Index n, const Real* dy, const Real* which, Real* dx) {
  for_each_example(n, [&](Index e) {
    clear_input(g, e, dx);
    for_each_window(g, e, [&](Index out, Index in) {
      for (Index c = 0; c < g.channels; ++c)
        dx[in + c + tap_offset(g, static_cast<Index>(which[out + c]))] += dy[out + c];
    });
  });
}

void max_pool_gather(const PoolGeometry& g, Index n, const Real* x, const Real* which, Real* y) {
  for_each_example(n, [&](Index e) {
    for_each_window(g, e, [&](Index out, Index in) {
      for (Index c = 0; c < g.channels; ++c)
        y[out + c] = x[in + c + tap_offset(g, static_cast<Index>(which[out + c]))];
    });
  });
}

void average_pool(const PoolGeometry& g, Index n, const Real* x, Real* y) {
  const Real factor = Real(1) / static_cast<Real>(g.kernel * g.kernel);
  for_each_example(n, [&](Index e) {
    for_each_window(g, e, [&](Index out, Index in) {
      std::fill_n(y + out, g.channels, Real(0));
      for (Index tap = 0; tap < g.kernel * g.kernel; ++tap)
        for (Index c = 0; c < g.channels; ++c) y[out + c] += x[in + tap_offset(g, tap) + c];
      for (Index c = 0; c < g.channels; ++c) y[out + c] *= factor;
    });
  });
}

void average_pool_grad(const PoolGeometry& g, Index n, const Real* dy, Real* dx) {
  const Real factor = Real(1) / static_cast<Real>(g.kernel * g.kernel);
  for_each_example(n, [&](Index e) {
    clear_input(g, e, dx);
    for_each_window(g, e, [&](Index out, Index in) {
      for (Index tap = 0; tap < g.kernel * g.kernel; ++tap)
        for (Index c = 0; c < g.channels; ++c) dx[in + tap_offset(g, tap) + c] += dy[out + c] * factor;
    });
  });
}

}  // namespace espalier::kernels
