// conv2d_direct.cpp: brings each of the three convolutions into the form of the register tiles: a padded
// image, a packed weight, and windows whose rows are contiguous.
// No padding logic is left for the inner loops.
#include "framework/kernels/conv2d_direct.h"

#include <algorithm>
#include <cstring>

#include "framework/core/parallel.h"
#include "framework/kernels/instruction_set.h"
#include "framework/kernels/scratch.h"

namespace espalier::kernels {
namespace {

/// Rows (or columns) kept of an image axis: `before` zeros, the image, zeros up to `total`.
struct PaddedAxis {
  Index before, total;
};

/// A copy of an image with zeros around it. The zeros are written once, the interior for each image.
class PaddedImage {
 public:
  PaddedImage(Index height, Index width, Index channels, PaddedAxis h, PaddedAxis w, Index extra)
      : height_(std::min(height, h.total - h.before)),
        kept_(std::max<Index>(0, std::min(width, w.total - w.before)) * channels),
        image_row_(width * channels),
        row_(w.total * channels),
        first_(h.before * row_ + w.before * channels),
        in_place_(h.before == 0 && w.before == 0 && h.total <= height && w.total <= width && extra == 0),
        copy_(in_place_ ? 0 : h.total * row_ + extra) {
    if (in_place_)
      row_ = image_row_;
    else
      std::fill_n(copy_.data(), h.total * row_ + extra, Real(0));
  }
  const Real* load(const Real* image) {
    if (in_place_) return image;
    for (Index h = 0; h < height_; ++h)
      std::memcpy(copy_.data() + first_ + h * row_, image + h * image_row_,
                  static_cast<std::size_t>(kept_) * sizeof(Real));
    return copy_.data();
  }
  /// Values in a row of what load() returns.
  Index row() const { return row_; }

 private:
  Index height_, kept_, image_row_, row_, first_;
  bool in_place_;
  Scratch<Real> copy_;
};

// A function of n alone, so that the chunks are the same on any number of threads.
Index examples_per_chunk(Index n) { return n >= 16 ? 4 : 1; }

PaddedImage padded_input(const ConvGeometry& g, Index extra) {
  return {g.in_h,
          g.in_w,
          g.in_c,
          {g.pad.h, (g.out_h - 1) * g.stride.h + g.kernel_h},
          {g.pad.w, (g.out_w - 1) * g.stride.w + g.kernel_w},
          extra};
}

ConvImage windows(const ConvGeometry& g, Index padded_row) {
  return {.out_h = g.out_h,
          .out_w = g.out_w,
          .channels = g.out_c,
          .x_row = g.stride.h * padded_row,
          .x_pixel = g.stride.w * g.in_c,
          .rows = g.kernel_h,
          .window = g.kernel_w * g.in_c,
          .window_row = padded_row,
          .y_row = g.out_w * g.out_c,
          .y_pixel = g.out_c};
}

/// One axis of the input gradient, for the inputs h with (h + pad) % stride = phase. With
/// h = stride q + phase - pad and tap y = phase + stride t it reads dx[h] = sum_t dy[q - t] w[y]: a
/// convolution of stride 1 with every stride-th tap, flipped.
struct Phase {
  Phase(Index phase, Index in, Index kernel, Index stride, Index pad)
      : tap(phase),
        taps(kernel > phase ? (kernel - phase + stride - 1) / stride : 0),
        first(pad > phase ? (pad - phase + stride - 1) / stride : 0),
        count(in + pad > phase ? std::max<Index>(0, (in - 1 + pad - phase) / stride - first + 1) : 0),
        input(stride * first + phase - pad) {}
  static Phase down(Index phase, const ConvGeometry& g) {
    return {phase, g.in_h, g.kernel_h, g.stride.h, g.pad.h};
  }
  static Phase across(Index phase, const ConvGeometry& g) {
    return {phase, g.in_w, g.kernel_w, g.stride.w, g.pad.w};
  }
  Index tap, taps;     ///< taps are tap, tap + stride, ...
  Index first, count;  ///< range of q
  Index input;         ///< the h of q = first
  /// Zeros needed before and after `out` values of dy.
  Index before() const { return std::max<Index>(0, taps - 1 - first); }
  Index total(Index lead) const { return lead + first + count; }
};

}  // namespace

Index direct_packed_size(const ConvGeometry& g) {
  return instruction_set().packed_size(g.kernel_h * g.kernel_w * g.in_c, g.out_c);
}

void direct_pack(const ConvGeometry& g, const Real* w, const Real* bias, Real* packed) {
  const Index window = g.kernel_w * g.in_c;
  instruction_set().pack({.w = w,
                          .rows = g.kernel_h,
                          .window = window,
                          .channels = g.out_c,
                          .row_step = window,
                          .inner = window,
                          .outer_step = 0,
                          .inner_step = 1,
                          .channel_step = g.kernel_h * window},
                         bias, packed);
}

namespace {

/// The rows of one image's output.
void convolve_rows(const ConvGeometry& g, Range rows, const Real* x, const Real* packed, bool relu, Real* y) {
  // The rows of x that these windows read, and how many of them lie above the image.
  const Index first = rows.begin * g.stride.h - g.pad.h, above = std::max<Index>(0, -first);
  const Index begin = std::min(std::max<Index>(0, first), g.in_h);
  PaddedImage image(g.in_h - begin, g.in_w, g.in_c, {above, (rows.size() - 1) * g.stride.h + g.kernel_h},
                    {g.pad.w, (g.out_w - 1) * g.stride.w + g.kernel_w}, 0);
  ConvImage form = windows(g, image.row());
  form.out_h = rows.size();
  instruction_set().conv_image(form, image.load(x + begin * g.in_w * g.in_c), packed, relu,
                               y + rows.begin * g.out_w * g.out_c);
}

}  // namespace

void conv2d_direct_packed(const ConvGeometry& g, Index n, const Real* x, const Real* packed, bool relu,
                          Real* y) {
  const Index size_x = g.in_h * g.in_w * g.in_c, size_y = g.out_h * g.out_w * g.out_c;
  constexpr Index few = 4;
  if (n < few && can_share()) {  // strips of an image, about 5 microseconds at least
    constexpr Index worth = Index{1} << 18, strips = 8;
    const Index least = worth / std::max<Index>(1, g.macs() / g.out_h) + 1;
    const Index strip = std::max(least, (g.out_h + strips - 1) / strips);
    for (Index e = 0; e < n; ++e)
      parallel_for(g.out_h, strip,
                   [&](Range rows) { convolve_rows(g, rows, x + e * size_x, packed, relu, y + e * size_y); });
    return;
  }
  const InstructionSet& simd = instruction_set();
  parallel_for(n, examples_per_chunk(n), [&](Range examples) {
    PaddedImage image = padded_input(g, 0);
    const ConvImage form = windows(g, image.row());
    for (Index e = examples.begin; e < examples.end; ++e)
      simd.conv_image(form, image.load(x + e * size_x), packed, relu, y + e * size_y);
  });
}

void conv2d_direct(const ConvGeometry& g, Index n, const Real* x, const Real* w, const Real* bias, bool relu,
                   Real* y) {
  Scratch<Real> packed(direct_packed_size(g));
  direct_pack(g, w, bias, packed.data());
  conv2d_direct_packed(g, n, x, packed.data(), relu, y);
}

void conv2d_input_grad_direct(const ConvGeometry& g, Index n, const Real* dy, const Real* w, Real* dx) {
  const InstructionSet& simd = instruction_set();
  const Extent2 s = g.stride;
  const Index taps = g.kernel_h * g.kernel_w * g.in_c;  // of one output channel
  // All phases read one padded copy of dy, and their packed weights lie behind each other.
  PaddedAxis h{0, 0}, v{0, 0};
  for (Index a = 0; a < s.h; ++a) h.before = std::max(h.before, Phase::down(a, g).before());
  for (Index b = 0; b < s.w; ++b) v.before = std::max(v.before, Phase::across(b, g).before());
  for (Index a = 0; a < s.h; ++a) h.total = std::max(h.total, Phase::down(a, g).total(h.before));
  for (Index b = 0; b < s.w; ++b) v.total = std::max(v.total, Phase::across(b, g).total(v.before));
  Index packed_size = 0;
  for (Index a = 0; a < s.h; ++a)
    for (Index b = 0; b < s.w; ++b)
      packed_size += simd.packed_size(Phase::down(a, g).taps * Phase::across(b, g).taps * g.out_c, g.in_c);
  Scratch<Real> packed(packed_size);
  Real* next = packed.data();
  for (Index a = 0; a < s.h; ++a)
    for (Index b = 0; b < s.w; ++b) {
      const Phase down = Phase::down(a, g), across = Phase::across(b, g);
      const Index last_y = a + s.h * (down.taps - 1), last_x = b + s.w * (across.taps - 1);
      simd.pack({.w = w + (last_y * g.kernel_w + last_x) * g.in_c,
                 .rows = down.taps,
                 .window = across.taps * g.out_c,
                 .channels = g.in_c,
                 .row_step = -s.h * g.kernel_w * g.in_c,
                 .inner = g.out_c,
                 .outer_step = -s.w * g.in_c,
                 .inner_step = taps,
                 .channel_step = 1},
                nullptr, next);
      next += simd.packed_size(down.taps * across.taps * g.out_c, g.in_c);
    }
  parallel_for(n, examples_per_chunk(n), [&](Range examples) {
    PaddedImage image(g.out_h, g.out_w, g.out_c, h, v, 0);
    for (Index e = examples.begin; e < examples.end; ++e) {
      const Real* from = image.load(dy + e * g.out_h * g.out_w * g.out_c);
      Real* to = dx + e * g.in_h * g.in_w * g.in_c;
      const Real* weight = packed.data();
      for (Index a = 0; a < s.h; ++a)
        for (Index b = 0; b < s.w; ++b) {
          const Phase down = Phase::down(a, g), across = Phase::across(b, g);
          const Index row = down.first - (down.taps - 1) + h.before;
          const Index column = across.first - (across.taps - 1) + v.before;
          simd.conv_image({.out_h = down.count,
                           .out_w = across.count,
                           .channels = g.in_c,
                           .x_row = image.row(),
                           .x_pixel = g.out_c,
                           .rows = down.taps,
                           .window = across.taps * g.out_c,
                           .window_row = image.row(),
                           .y_row = s.h * g.in_w * g.in_c,
                           .y_pixel = s.w * g.in_c},
                          from + row * image.row() + column * g.out_c, weight, false,
                          to + (down.input * g.in_w + across.input) * g.in_c);
          weight += simd.packed_size(down.taps * across.taps * g.out_c, g.in_c);
        }
    }
  });
}

void conv2d_weight_grad_direct(const ConvGeometry& g, Index n, const Real* x, const Real* dy, Real* dw) {
  const InstructionSet& simd = instruction_set();
  const Index window = g.kernel_w * g.in_c, size = g.out_c * g.kernel_h * window;
  // Rows of the window, rounded up to full vectors.
  const Index step = simd.weight_sum_step(g.kernel_h, window);
  const bool exact = step == g.kernel_h * window;
  const Index group = std::max<Index>(4, (n + 15) / 16), groups = (n + group - 1) / group;
  const bool direct = exact && groups == 1;
  Scratch<Real> sums(direct ? 0 : groups * g.out_c * step);
  parallel_for(n, group, [&](Range examples) {
    PaddedImage image = padded_input(g, exact ? 0 : simd.lanes);
    const ConvImage form = windows(g, image.row());
    Real* sum = direct ? dw : sums.data() + examples.begin / group * g.out_c * step;
    for (Index e = examples.begin; e < examples.end; ++e)
      simd.conv_weight_image(form, image.load(x + e * g.in_h * g.in_w * g.in_c),
                             dy + e * g.out_h * g.out_w * g.out_c, e > examples.begin, sum, step);
  });
  if (n == 0) std::fill_n(dw, size, Real(0));
  if (direct || n == 0) return;
  const Index runs = g.out_c * g.kernel_h,
              padded = step / g.kernel_h;  // a run: one window row of one channel
  parallel_for(runs, std::max<Index>(1, 4096 / window), [&](Range range) {
    for (Index r = range.begin; r < range.end; ++r) {
      Real* to = dw + r * window;
      std::copy_n(sums.data() + r * padded, window, to);
      for (Index a = 1; a < groups; ++a) {
        const Real* from = sums.data() + a * g.out_c * step + r * padded;
        for (Index k = 0; k < window; ++k) to[k] += from[k];
      }
    }
  });
}

}  // namespace espalier::kernels
