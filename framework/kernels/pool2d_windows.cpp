#include "framework/kernels/pool2d_windows.h"

#include <algorithm>

#include "framework/core/parallel.h"

namespace espalier {

Index window_count(Index in, Index kernel, Index stride, Index before, Index after, bool round_up) {
  const Index room = in + before + after - kernel;
  if (room < 0 && !(round_up && room + stride > 0)) return 0;
  Index count = (room + (round_up ? stride - 1 : 0)) / stride + 1;
  if (round_up && (count - 1) * stride >= in + before) --count;
  return count;
}

namespace kernels {
namespace {

/// The part of a window that lies in the image, along one side.
struct Side {
  Index begin, end;  ///< pixels of the image
  Index tap;         ///< of `begin` in the window
  Index counted;     ///< pixels that a mean divides by
};
Side side_of(Index window, Index in, Index kernel, Index stride, Index before, Index after,
             bool count_padding) {
  const Index first = window * stride - before;
  const Index begin = std::max<Index>(first, 0), end = std::min(first + kernel, in);
  return {begin, end, begin - first,
          count_padding ? std::min(first + kernel, in + after) - first : end - begin};
}

/// visit(example's input, rows, columns, offset of the output pixel) for all windows of an example after the
/// other.
template <class Visit>
void for_each_window(const WindowGeometry& g, Range examples, Visit visit) {
  for (Index e = examples.begin; e < examples.end; ++e)
    for (Index p = 0; p < g.out_h; ++p) {
      const Side rows = side_of(p, g.in_h, g.kernel_h, g.stride_h, g.pad_top, g.pad_bottom, g.count_padding);
      for (Index r = 0; r < g.out_w; ++r)
        visit(e * g.in_h * g.in_w * g.channels, rows,
              side_of(r, g.in_w, g.kernel_w, g.stride_w, g.pad_left, g.pad_right, g.count_padding),
              ((e * g.out_h + p) * g.out_w + r) * g.channels);
    }
}

/// pixel(offset in the input, tap) for the pixels of a window.
template <class Pixel>
void for_each_pixel(const WindowGeometry& g, Index input, const Side& rows, const Side& columns,
                    Pixel pixel) {
  for (Index h = rows.begin; h < rows.end; ++h)
    for (Index w = columns.begin; w < columns.end; ++w)
      pixel(input + (h * g.in_w + w) * g.channels,
            (rows.tap + h - rows.begin) * g.kernel_w + columns.tap + w - columns.begin);
}

template <class Work>
void over_examples(Index n, Work work) {
  parallel_for(n, 1, work);
}

}  // namespace

void max_pool(const WindowGeometry& g, Index n, const Real* x, bool relu, Real* y, Real* which) {
  const Index channels = g.channels;
  over_examples(n, [&](Range examples) {
    for_each_window(g, examples, [&](Index input, const Side& rows, const Side& columns, Index out) {
      bool first = true;
      Real* best = y + out;
      for_each_pixel(g, input, rows, columns, [&](Index at, Index tap) {
        const Real* value = x + at;
        if (first) {
          std::copy_n(value, channels, best);
          if (which) std::fill_n(which + out, channels, static_cast<Real>(tap));
        } else if (which) {
          for (Index c = 0; c < channels; ++c) {
            which[out + c] = value[c] > best[c] ? static_cast<Real>(tap) : which[out + c];
            best[c] = value[c] > best[c] ? value[c] : best[c];
          }
        } else {
          for (Index c = 0; c < channels; ++c) best[c] = value[c] > best[c] ? value[c] : best[c];
        }
        first = false;
      });
      if (relu)
        for (Index c = 0; c < channels; ++c) best[c] = best[c] > 0 ? best[c] : 0;
    });
  });
}

void max_pool_grad(const WindowGeometry& g, Index n, const Real* dy, const Real* which, Real* dx) {
  const Index size = g.in_h * g.in_w * g.channels;
  over_examples(n, [&](Range examples) {
    std::fill(dx + examples.begin * size, dx + examples.end * size, Real(0));
    for_each_window(g, examples, [&](Index input, const Side& rows, const Side& columns, Index out) {
      for_each_pixel(g, input, rows, columns, [&](Index at, Index tap) {
        for (Index c = 0; c < g.channels; ++c)
          dx[at + c] += which[out + c] == static_cast<Real>(tap) ? dy[out + c] : 0;
      });
    });
  });
}

void max_pool_gather(const WindowGeometry& g, Index n, const Real* x, const Real* which, Real* y) {
  over_examples(n, [&](Range examples) {
    for_each_window(g, examples, [&](Index input, const Side& rows, const Side& columns, Index out) {
      for_each_pixel(g, input, rows, columns, [&](Index at, Index tap) {
        for (Index c = 0; c < g.channels; ++c)
          if (which[out + c] == static_cast<Real>(tap)) y[out + c] = x[at + c];
      });
    });
  });
}

void average_pool(const WindowGeometry& g, Index n, const Real* x, Real* y) {
  over_examples(n, [&](Range examples) {
    for_each_window(g, examples, [&](Index input, const Side& rows, const Side& columns, Index out) {
      std::fill_n(y + out, g.channels, Real(0));
      for_each_pixel(g, input, rows, columns, [&](Index at, Index) {
        for (Index c = 0; c < g.channels; ++c) y[out + c] += x[at + c];
      });
      const Real factor = Real(1) / static_cast<Real>(rows.counted * columns.counted);
      for (Index c = 0; c < g.channels; ++c) y[out + c] *= factor;
    });
  });
}

void average_pool_grad(const WindowGeometry& g, Index n, const Real* dy, Real* dx) {
  const Index size = g.in_h * g.in_w * g.channels;
  over_examples(n, [&](Range examples) {
    std::fill(dx + examples.begin * size, dx + examples.end * size, Real(0));
    for_each_window(g, examples, [&](Index input, const Side& rows, const Side& columns, Index out) {
      const Real factor = Real(1) / static_cast<Real>(rows.counted * columns.counted);
      for_each_pixel(g, input, rows, columns, [&](Index at, Index) {
        for (Index c = 0; c < g.channels; ++c) dx[at + c] += dy[out + c] * factor;
      });
    });
  });
}

}  // namespace kernels
}  // namespace espalier
