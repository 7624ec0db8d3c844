// pool.h: pooling of one image, vectors along channels. The gradients visit each input pixel once and collect
// from the windows that cover it, so nothing is cleared first and nothing is written twice.
#pragma once

#include "framework/kernels/instruction_set.h"
#include "framework/kernels/simd/lanes.h"

namespace espalier::kernels::ESPALIER_LEVEL {

/// Calls visit(output position, position of the window's first value in x) for each output pixel.
template <class Visit>
static inline void for_each_window(const PoolImage& g, Visit visit) {
  for (Index p = 0; p < g.out_h; ++p)
    for (Index r = 0; r < g.out_w; ++r)
      visit((p * g.out_w + r) * g.channels, (p * g.in_w + r) * g.stride * g.channels);
}

template <bool winners>
static void max_pool_windows(const PoolImage& g, const Real* x, bool relu, Real* y, Real* which) {
  for_each_window(g, [&](Index out, Index in) {
    for_each_vector(g.channels, [&](auto tag, Index c) {
      using V = typename decltype(tag)::type;
      V best = load_as<V>(x + in + c), winner{};
      Real tap = 0;
      for (Index h = 0; h < g.kernel; ++h)
        for (Index w = 0; w < g.kernel; ++w, tap += 1) {
          const V value = load_as<V>(x + in + (h * g.in_w + w) * g.channels + c);
          if constexpr (winners) {
            const V this_tap = V{} + tap;
            winner = value > best ? this_tap : winner;
          }
          best = value > best ? value : best;
        }
      store<V>(y + out + c, relu ? rectified(best) : best);
      if constexpr (winners) store<V>(which + out + c, winner);
    });
  });
}
static void max_pool(const PoolImage& g, const Real* x, bool relu, Real* y, Real* which) {
  const auto windows = which ? max_pool_windows<true> : max_pool_windows<false>;
  windows(g, x, relu, y, which);
}

static void max_pool_gather(const PoolImage& g, const Real* x, const Real* which, Real* y) {
  for_each_window(g, [&](Index out, Index in) {
    for_each_vector(g.channels, [&](auto tag, Index c) {
      using V = typename decltype(tag)::type;
      const V winner = load_as<V>(which + out + c);
      V value{};
      Real tap = 0;
      for (Index h = 0; h < g.kernel; ++h)
        for (Index w = 0; w < g.kernel; ++w, tap += 1)
          value = winner == V{} + tap ? load_as<V>(x + in + (h * g.in_w + w) * g.channels + c) : value;
      store<V>(y + out + c, value);
    });
  });
}

static void average_pool(const PoolImage& g, const Real* x, Real* y) {
  const Real factor = Real(1) / static_cast<Real>(g.kernel * g.kernel);
  for_each_window(g, [&](Index out, Index in) {
    for_each_vector(g.channels, [&](auto tag, Index c) {
      using V = typename decltype(tag)::type;
      V sum{};
      for (Index h = 0; h < g.kernel; ++h)
        for (Index w = 0; w < g.kernel; ++w) sum += load_as<V>(x + in + (h * g.in_w + w) * g.channels + c);
      store<V>(y + out + c, sum * factor);
    });
  });
}

/// The windows of one axis that cover input position h: outputs [begin, end).
struct Covering {
  Index begin, end;
};
static inline Covering covering(Index h, Index kernel, Index stride, Index out) {
  return {h < kernel ? 0 : (h - kernel) / stride + 1, smaller(h / stride + 1, out)};
}

/// dx at each input pixel = sum over covering windows of value(tag, output position, tap).
template <class Value>
static inline void collect(const PoolImage& g, Real* dx, Value value) {
  for (Index h = 0; h < g.in_h; ++h) {
    const Covering down = covering(h, g.kernel, g.stride, g.out_h);
    for (Index w = 0; w < g.in_w; ++w) {
      const Covering across = covering(w, g.kernel, g.stride, g.out_w);
      for_each_vector(g.channels, [&](auto tag, Index c) {
        using V = typename decltype(tag)::type;
        V sum{};
        for (Index p = down.begin; p < down.end; ++p)
          for (Index r = across.begin; r < across.end; ++r)
            sum += value(tag, (p * g.out_w + r) * g.channels + c,
                         (h - p * g.stride) * g.kernel + w - r * g.stride);
        store<V>(dx + (h * g.in_w + w) * g.channels + c, sum);
      });
    }
  }
}

static void max_pool_grad(const PoolImage& g, const Real* dy, const Real* which, Real* dx) {
  collect(g, dx, [=](auto tag, Index out, Index tap) {
    using V = typename decltype(tag)::type;
    const V zero{}, this_tap = zero + static_cast<Real>(tap);
    return load_as<V>(which + out) == this_tap ? load_as<V>(dy + out) : zero;
  });
}

static void average_pool_grad(const PoolImage& g, const Real* dy, Real* dx) {
  const Real factor = Real(1) / static_cast<Real>(g.kernel * g.kernel);
  collect(g, dx, [=](auto tag, Index out, Index) {
    return load_as<typename decltype(tag)::type>(dy + out) * factor;
  });
}

}  // namespace espalier::kernels::ESPALIER_LEVEL
