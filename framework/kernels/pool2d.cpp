// pool2d.cpp: pooling, parallel over examples; the loops are in simd/pool.h.
#include "framework/kernels/pool2d.h"

#include <algorithm>

#include "framework/core/parallel.h"
#include "framework/kernels/instruction_set.h"

namespace espalier::kernels {
namespace {

/// Whether the loops of simd/pool.h know the windows: square ones, alike on both axes.
bool square(const PoolGeometry& g) {
  return g.kernel.h == g.kernel.w && g.stride.h == g.stride.w && g.pad.top == g.pad.left;
}
/// For means, whose divisor counts the padding but not what lies beyond it: whether no window reaches there.
bool square_within_padding(const PoolGeometry& g) {
  return square(g) &&
         (!g.count_padding || ((g.out_h - 1) * g.stride.h + g.kernel.h <= g.in_h + g.pad.top + g.pad.bottom &&
                               (g.out_w - 1) * g.stride.w + g.kernel.w <= g.in_w + g.pad.left + g.pad.right));
}

/// Calls fast(geometry, offset in x, offset in y) with those loops' geometry if `known`, or general(offsets).
template <class Fast, class General>
void for_each_example(const PoolGeometry& g, Index n, bool known, Fast fast, General general) {
  const PoolImage image{g.in_h,     g.in_w,     g.channels, g.out_h,        g.out_w,
                        g.kernel.h, g.stride.h, g.pad.top,  g.count_padding};
  const Index in = g.in_h * g.in_w * g.channels, out = g.out_h * g.out_w * g.channels;
  parallel_for(n, n >= 16 ? 4 : 1, [&](Range r) {
    for (Index e = r.begin; e < r.end; ++e) known ? fast(image, e * in, e * out) : general(e * in, e * out);
  });
}

/// The part of one window that lies in the image, and the number of values its mean divides by.
struct Window {
  Index top, left;  ///< where it begins, perhaps outside
  Range rows, columns;
  Index divisor;
};
/// Calls visit(window, position of its first channel in y) for each window of an image.
template <class Visit>
void for_each_window(const PoolGeometry& g, Visit visit) {
  for (Index p = 0; p < g.out_h; ++p)
    for (Index r = 0; r < g.out_w; ++r) {
      const Index top = p * g.stride.h - g.pad.top, left = r * g.stride.w - g.pad.left;
      Window w{top,
               left,
               {std::max<Index>(top, 0), std::min(top + g.kernel.h, g.in_h)},
               {std::max<Index>(left, 0), std::min(left + g.kernel.w, g.in_w)},
               0};
      w.divisor = g.count_padding ? (std::min(top + g.kernel.h, g.in_h + g.pad.bottom) - top) *
                                        (std::min(left + g.kernel.w, g.in_w + g.pad.right) - left)
                                  : w.rows.size() * w.columns.size();
      visit(w, (p * g.out_w + r) * g.channels);
    }
}
/// Calls visit(position of the first channel in x, tap) for each pixel of a window.
template <class Visit>
void for_each_pixel(const PoolGeometry& g, const Window& w, Visit visit) {
  for (Index h = w.rows.begin; h < w.rows.end; ++h)
    for (Index v = w.columns.begin; v < w.columns.end; ++v)
      visit((h * g.in_w + v) * g.channels, (h - w.top) * g.kernel.w + v - w.left);
}

}  // namespace

void max_pool(const PoolGeometry& g, Index n, const Real* x, bool relu, Real* y, Real* which) {
  const InstructionSet& simd = instruction_set();
  for_each_example(
      g, n, square(g),
      [&](const PoolImage& image, Index in, Index out) {
        simd.max_pool(image, x + in, relu, y + out, which ? which + out : nullptr);
      },
      [&](Index in, Index out) {
        for_each_window(g, [&](const Window& w, Index at) {
          Real* best = y + out + at;
          bool first = true;
          for_each_pixel(g, w, [&](Index pixel, Index tap) {
            for (Index c = 0; c < g.channels; ++c) {
              const Real value = x[in + pixel + c];
              if (!first && !(value > best[c])) continue;
              best[c] = value;
              if (which) which[out + at + c] = static_cast<Real>(tap);
            }
            first = false;
          });
          for (Index c = 0; c < g.channels && relu; ++c) best[c] = best[c] < 0 ? Real(0) : best[c];
        });
      });
}

void max_pool_grad(const PoolGeometry& g, Index n, const Real* dy, const Real* which, Real* dx) {
  const InstructionSet& simd = instruction_set();
  for_each_example(
      g, n, square(g),
      [&](const PoolImage& image, Index in, Index out) {
        simd.max_pool_grad(image, dy + out, which + out, dx + in);
      },
      [&](Index in, Index out) {
        std::fill_n(dx + in, g.in_h * g.in_w * g.channels, Real(0));
        for_each_window(g, [&](const Window& w, Index at) {
          for_each_pixel(g, w, [&](Index pixel, Index tap) {
            for (Index c = 0; c < g.channels; ++c)
              if (which[out + at + c] == static_cast<Real>(tap)) dx[in + pixel + c] += dy[out + at + c];
          });
        });
      });
}

void max_pool_gather(const PoolGeometry& g, Index n, const Real* x, const Real* which, Real* y) {
  const InstructionSet& simd = instruction_set();
  for_each_example(
      g, n, square(g),
      [&](const PoolImage& image, Index in, Index out) {
        simd.max_pool_gather(image, x + in, which + out, y + out);
      },
      [&](Index in, Index out) {
        for_each_window(g, [&](const Window& w, Index at) {
          for_each_pixel(g, w, [&](Index pixel, Index tap) {
            for (Index c = 0; c < g.channels; ++c)
              if (which[out + at + c] == static_cast<Real>(tap)) y[out + at + c] = x[in + pixel + c];
          });
        });
      });
}

void average_pool(const PoolGeometry& g, Index n, const Real* x, Real* y) {
  const InstructionSet& simd = instruction_set();
  for_each_example(
      g, n, square_within_padding(g),
      [&](const PoolImage& image, Index in, Index out) { simd.average_pool(image, x + in, y + out); },
      [&](Index in, Index out) {
        for_each_window(g, [&](const Window& w, Index at) {
          Real* sum = y + out + at;
          std::fill_n(sum, g.channels, Real(0));
          for_each_pixel(g, w, [&](Index pixel, Index) {
            for (Index c = 0; c < g.channels; ++c) sum[c] += x[in + pixel + c];
          });
          for (Index c = 0; c < g.channels; ++c) sum[c] /= static_cast<Real>(w.divisor);
        });
      });
}

void average_pool_grad(const PoolGeometry& g, Index n, const Real* dy, Real* dx) {
  const InstructionSet& simd = instruction_set();
  for_each_example(
      g, n, square_within_padding(g),
      [&](const PoolImage& image, Index in, Index out) { simd.average_pool_grad(image, dy + out, dx + in); },
      [&](Index in, Index out) {
        std::fill_n(dx + in, g.in_h * g.in_w * g.channels, Real(0));
        for_each_window(g, [&](const Window& w, Index at) {
          for_each_pixel(g, w, [&](Index pixel, Index) {
            for (Index c = 0; c < g.channels; ++c)
              dx[in + pixel + c] += dy[out + at + c] / static_cast<Real>(w.divisor);
          });
        });
      });
}

void global_average(Index n, Index pixels, Index channels, const Real* x, Real* y) {
  const InstructionSet& simd = instruction_set();
  const Real factor = Real(1) / static_cast<Real>(pixels);
  parallel_for(n, 16, [&](Range examples) {
    for (Index e = examples.begin; e < examples.end; ++e) {
      Real* row = y + e * channels;
      std::fill_n(row, channels, Real(0));
      for (Index p = 0; p < pixels; ++p) simd.add(channels, row, x + (e * pixels + p) * channels, row);
      simd.scale(channels, factor, row, row);
    }
  });
}

}  // namespace espalier::kernels
