// pool.h: pooling of one image, vectors along channels. The gradients visit each input pixel once and collect
// from the windows that cover it, so nothing is cleared first and nothing is written twice.
#pragma once

#include "framework/kernels/instruction_set.h"
#include "framework/kernels/simd/lanes.h"

namespace espalier::kernels::ESPALIER_LEVEL {

/// The windows of one axis that cover input position h, or the taps of one window: [begin, end).
struct Covering {
  Index begin, end;
};
/// The taps of window p that lie in the image.
static inline Covering taps_of(Index p, const PoolImage& g, Index extent) {
  const Index first = p * g.stride - g.pad;
  return {first < 0 ? -first : 0, smaller(g.kernel, extent - first)};
}

/// Calls visit(output position, position of the window's first value in x, rows, columns of its taps) for each
/// output pixel. The first value may lie outside; the taps named do not.
template <class Visit>
static inline void for_each_window(const PoolImage& g, Visit visit) {
  for (Index p = 0; p < g.out_h; ++p) {
    const Covering rows = taps_of(p, g, g.in_h);
    for (Index r = 0; r < g.out_w; ++r)
      visit((p * g.out_w + r) * g.channels,
            ((p * g.stride - g.pad) * g.in_w + r * g.stride - g.pad) * g.channels, rows,
            taps_of(r, g, g.in_w));
  }
}

template <bool winners>
static void max_pool_windows(const PoolImage& g, const Real* x, bool relu, Real* y, Real* which) {
  for_each_window(g, [&](Index out, Index in, Covering rows, Covering columns) {
    for_each_vector(g.channels, [&](auto tag, Index c) {
      using V = typename decltype(tag)::type;
      const Index first = in + (rows.begin * g.in_w + columns.begin) * g.channels + c;
      V best = load_as<V>(x + first), winner = V{} + static_cast<Real>(rows.begin * g.kernel + columns.begin);
      for (Index h = rows.begin; h < rows.end; ++h) {
        Real tap = static_cast<Real>(h * g.kernel + columns.begin);
        for (Index w = columns.begin; w < columns.end; ++w, tap += 1) {
          const V value = load_as<V>(x + (in + (h * g.in_w + w) * g.channels + c));
          if constexpr (winners) {
            const V this_tap = V{} + tap;
            winner = value > best ? this_tap : winner;
          }
          best = value > best ? value : best;
        }
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
  for_each_window(g, [&](Index out, Index in, Covering rows, Covering columns) {
    for_each_vector(g.channels, [&](auto tag, Index c) {
      using V = typename decltype(tag)::type;
      const V winner = load_as<V>(which + out + c);
      V value{};
      for (Index h = rows.begin; h < rows.end; ++h)
        for (Index w = columns.begin; w < columns.end; ++w) {
          const V tap = V{} + static_cast<Real>(h * g.kernel + w);
          value = winner == tap ? load_as<V>(x + (in + (h * g.in_w + w) * g.channels + c)) : value;
        }
      store<V>(y + out + c, value);
    });
  });
}

/// One over the values that a mean of these taps is taken of.
static inline Real share(const PoolImage& g, Covering rows, Covering columns) {
  return Real(1) / static_cast<Real>(g.count_outside
                                         ? g.kernel * g.kernel
                                         : (rows.end - rows.begin) * (columns.end - columns.begin));
}

static void average_pool(const PoolImage& g, const Real* x, Real* y) {
  for_each_window(g, [&](Index out, Index in, Covering rows, Covering columns) {
    const Real factor = share(g, rows, columns);
    for_each_vector(g.channels, [&](auto tag, Index c) {
      using V = typename decltype(tag)::type;
      V sum{};
      for (Index h = rows.begin; h < rows.end; ++h)
        for (Index w = columns.begin; w < columns.end; ++w)
          sum += load_as<V>(x + (in + (h * g.in_w + w) * g.channels + c));
      store<V>(y + out + c, sum * factor);
    });
  });
}

static inline Covering covering(Index h, const PoolImage& g, Index out) {
  const Index at = h + g.pad;
  return {at < g.kernel ? 0 : (at - g.kernel) / g.stride + 1, smaller(at / g.stride + 1, out)};
}

/// dx at each input pixel = sum over covering windows of value(tag, output position, tap, p, r).
template <class Value>
static inline void collect(const PoolImage& g, Real* dx, Value value) {
  for (Index h = 0; h < g.in_h; ++h) {
    const Covering down = covering(h, g, g.out_h);
    for (Index w = 0; w < g.in_w; ++w) {
      const Covering across = covering(w, g, g.out_w);
      for_each_vector(g.channels, [&](auto tag, Index c) {
        using V = typename decltype(tag)::type;
        V sum{};
        for (Index p = down.begin; p < down.end; ++p)
          for (Index r = across.begin; r < across.end; ++r)
            sum += value(tag, (p * g.out_w + r) * g.channels + c,
                         (h + g.pad - p * g.stride) * g.kernel + w + g.pad - r * g.stride, p, r);
        store<V>(dx + (h * g.in_w + w) * g.channels + c, sum);
      });
    }
  }
}

static void max_pool_grad(const PoolImage& g, const Real* dy, const Real* which, Real* dx) {
  collect(g, dx, [=](auto tag, Index out, Index tap, Index, Index) {
    using V = typename decltype(tag)::type;
    const V zero{}, this_tap = zero + static_cast<Real>(tap);
    return load_as<V>(which + out) == this_tap ? load_as<V>(dy + out) : zero;
  });
}

static void average_pool_grad(const PoolImage& g, const Real* dy, Real* dx) {
  const Real whole = Real(1) / static_cast<Real>(g.kernel * g.kernel);
  collect(g, dx, [&](auto tag, Index out, Index, Index p, Index r) {
    const Real factor = g.count_outside ? whole : share(g, taps_of(p, g, g.in_h), taps_of(r, g, g.in_w));
    return load_as<typename decltype(tag)::type>(dy + out) * factor;
  });
}

}  // namespace espalier::kernels::ESPALIER_LEVEL
