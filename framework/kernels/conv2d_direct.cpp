// conv2d_direct.cpp: brings each of the three convolutions into the form of the register tiles: a padded
// image, a packed weight, and windows whose rows are contiguous.
// No padding logic is left for the inner loops.
#include "framework/kernels/conv2d_direct.h"

#include <algorithm>
#include <cstring>

#include "framework/core/parallel.h"
#include "framework/kernels/conv2d_phase.h"
#include "framework/kernels/instruction_set.h"
#include "framework/kernels/scratch.h"

namespace espalier::kernels {
namespace {

/// Rows (or columns) kept of an image axis: `before` zeros, the image, zeros up to `total`.
struct PaddedAxis {
  Index before, total;
};

/// A copy of `channels` of an image whose pixels lie `pixel` values apart, with zeros around it. The zeros are written
/// once, the interior for each image. Where there is nothing to pad nor to leave out nothing is copied.
class PaddedImage {
 public:
  PaddedImage(Index height, Index width, Index channels, Index pixel, PaddedAxis h, PaddedAxis w, Index extra)
      : height_(std::min(height, h.total - h.before)),
        width_(std::max<Index>(0, std::min(width, w.total - w.before))),
        channels_(channels),
        pixel_(pixel),
        image_row_(width * pixel),
        row_(w.total * channels),
        first_(h.before * row_ + w.before * channels),
        in_place_(channels == pixel && h.before == 0 && w.before == 0 && h.total <= height &&
                  w.total <= width && extra == 0),
        copy_(in_place_ ? 0 : h.total * row_ + extra) {
    if (in_place_)
      row_ = image_row_;
    else
      std::fill_n(copy_.data(), h.total * row_ + extra, Real(0));
  }
  const Real* load(const Real* image) {
    if (in_place_) return image;
    for (Index h = 0; h < height_; ++h) {
      const Real* from = image + h * image_row_;
      Real* to = copy_.data() + first_ + h * row_;
      if (channels_ == pixel_)
        std::memcpy(to, from, static_cast<std::size_t>(width_ * channels_) * sizeof(Real));
      else
        for (Index w = 0; w < width_; ++w)
          for (Index c = 0; c < channels_; ++c) to[w * channels_ + c] = from[w * pixel_ + c];
    }
    return copy_.data();
  }
  /// Values in a row of what load() returns.
  Index row() const { return row_; }

 private:
  Index height_, width_, channels_, pixel_, image_row_, row_, first_;
  bool in_place_;
  Scratch<Real> copy_;
};

// A function of n alone, so that the chunks are the same on any number of threads.
Index examples_per_chunk(Index n) { return n >= 16 ? 4 : 1; }

/// One group of channels as a convolution of its own: its images are slices of those of `g`.
ConvGeometry group_of(const ConvGeometry& g) {
  ConvGeometry one = g;
  one.in_c = g.in_c / g.groups;
  one.out_c = g.out_c / g.groups;
  one.groups = 1;
  return one;
}

PaddedImage padded_input(const ConvGeometry& g, Index extra) {
  return {g.in_h,
          g.in_w,
          g.in_c / g.groups,
          g.in_c,
          {g.pad.h, (g.out_h - 1) * g.stride.h + g.kernel_h},
          {g.pad.w, (g.out_w - 1) * g.stride.w + g.kernel_w},
          extra};
}

/// The windows of one group in a padded copy of its channels.
ConvImage windows(const ConvGeometry& g, Index padded_row) {
  const Index in = g.in_c / g.groups;
  return {.out_h = g.out_h,
          .out_w = g.out_w,
          .channels = g.out_c / g.groups,
          .x_row = g.stride.h * padded_row,
          .x_pixel = g.stride.w * in,
          .rows = g.kernel_h,
          .window = g.kernel_w * in,
          .window_row = padded_row,
          .y_row = g.out_w * g.out_c,
          .y_pixel = g.out_c};
}

/// 1x1 kernels that visit every pixel: the pixels of all images are the rows of one matrix.
bool is_product(const ConvGeometry& g) {
  return g.kernel_h == 1 && g.kernel_w == 1 && g.stride == 1 && g.pad == 0 && g.groups == 1 &&
         g.out_h == g.in_h && g.out_w == g.in_w;
}
ConvImage pixel_rows(Index rows, Index pixels, Index in, Index out) {
  return {.out_h = rows,
          .out_w = pixels,
          .channels = out,
          .x_row = pixels * in,
          .x_pixel = in,
          .rows = 1,
          .window = in,
          .window_row = 0,
          .y_row = pixels * out,
          .y_pixel = out};
}
void multiply_pixels(Index pixels, Index in, Index out, const Real* x, const Real* packed,
                     const Finish& finish, Real* y) {
  // Both sides of a chunk stay in the second-level cache, and the weight is read for as many pixels as that leaves.
  constexpr Index cached = 64 * 1024, least = 56;
  const Index worth = (Index{1} << 18) / (in * out) + 1;  // multiply-adds, about 5 microseconds
  Index chunk = std::max({least, worth, cached / (in + out) / 14 * 14});
  constexpr Index parts = 8;
  if (can_share() && pixels < parts * chunk)
    chunk = std::max({Index{14}, worth, (pixels + parts - 1) / parts});
  parallel_for(pixels, chunk, [&](Range r) {
    instruction_set().conv_image(pixel_rows(1, r.size(), in, out), x + r.begin * in, packed, finish,
                                 y + r.begin * out);
  });
}

}  // namespace

Index direct_packed_size(const ConvGeometry& g) {
  const ConvGeometry one = group_of(g);
  return g.groups * instruction_set().packed_size(one.kernel_h * one.kernel_w * one.in_c, one.out_c);
}

void direct_pack(const ConvGeometry& g, const Real* w, const Real* bias, Real* packed) {
  const ConvGeometry one = group_of(g);
  const Index window = one.kernel_w * one.in_c;
  for (Index k = 0; k < g.groups; ++k)
    instruction_set().pack({.w = w + k * one.weight().size(),
                            .rows = one.kernel_h,
                            .window = window,
                            .channels = one.out_c,
                            .row_step = window,
                            .inner = window,
                            .outer_step = 0,
                            .inner_step = 1,
                            .channel_step = one.kernel_h * window},
                           bias ? bias + k * one.out_c : nullptr, packed + k * direct_packed_size(one));
}

namespace {

/// The rows of one image's output.
void convolve_rows(const ConvGeometry& g, Range rows, const Real* x, const Real* packed, const Finish& finish,
                   Real* y) {
  const ConvGeometry one = group_of(g);
  const Index packed_step = direct_packed_size(one);
  // The rows of x that these windows read, and how many of them lie above the image.
  const Index first = rows.begin * g.stride.h - g.pad.h, above = std::max<Index>(0, -first);
  const Index begin = std::min(std::max<Index>(0, first), g.in_h);
  PaddedImage image(g.in_h - begin, g.in_w, one.in_c, g.in_c,
                    {above, (rows.size() - 1) * g.stride.h + g.kernel_h},
                    {g.pad.w, (g.out_w - 1) * g.stride.w + g.kernel_w}, 0);
  ConvImage form = windows(g, image.row());
  form.out_h = rows.size();
  for (Index k = 0; k < g.groups; ++k)
    instruction_set().conv_image(form, image.load(x + begin * g.in_w * g.in_c + k * one.in_c),
                                 packed + k * packed_step, finish,
                                 y + rows.begin * g.out_w * g.out_c + k * one.out_c);
}

}  // namespace

void conv2d_direct_packed(const ConvGeometry& g, Index n, const Real* x, const Real* packed,
                          const Finish& finish, Real* y) {
  const Index size_x = g.in_h * g.in_w * g.in_c, size_y = g.out_h * g.out_w * g.out_c;
  if (is_product(g)) return multiply_pixels(n * g.out_h * g.out_w, g.in_c, g.out_c, x, packed, finish, y);
  constexpr Index few = 4;
  if (n < few && can_share()) {  // strips of an image, about 5 microseconds at least
    constexpr Index worth = Index{1} << 18, strips = 8;
    const Index least = worth / std::max<Index>(1, g.macs() / g.out_h) + 1;
    const Index strip = std::max(least, (g.out_h + strips - 1) / strips);
    for (Index e = 0; e < n; ++e)
      parallel_for(g.out_h, strip, [&](Range rows) {
        convolve_rows(g, rows, x + e * size_x, packed, finish, y + e * size_y);
      });
    return;
  }
  const InstructionSet& simd = instruction_set();
  const ConvGeometry one = group_of(g);
  const Index packed_step = direct_packed_size(one);
  parallel_for(n, examples_per_chunk(n), [&](Range examples) {
    PaddedImage image = padded_input(g, 0);
    const ConvImage form = windows(g, image.row());
    for (Index e = examples.begin; e < examples.end; ++e)
      for (Index k = 0; k < g.groups; ++k)
        simd.conv_image(form, image.load(x + e * size_x + k * one.in_c), packed + k * packed_step, finish,
                        y + e * size_y + k * one.out_c);
  });
}

void conv2d_direct(const ConvGeometry& g, Index n, const Real* x, const Real* w, const Real* bias,
                   const Finish& finish, Real* y) {
  Scratch<Real> packed(direct_packed_size(g));
  direct_pack(g, w, bias, packed.data());
  conv2d_direct_packed(g, n, x, packed.data(), finish, y);
}

namespace {

/// The weights of one group for the input gradient: those of all phases lie behind each other.
Index input_grad_packed_size(const ConvGeometry& one) {
  Index size = 0;
  for (Index a = 0; a < one.stride.h; ++a)
    for (Index b = 0; b < one.stride.w; ++b)
      size += instruction_set().packed_size(Phase::down(a, one).taps * Phase::across(b, one).taps * one.out_c,
                                            one.in_c);
  return size;
}
void input_grad_pack(const ConvGeometry& one, const Real* w, Real* packed) {
  const Extent2 s = one.stride;
  const Index taps = one.kernel_h * one.kernel_w * one.in_c;  // of one output channel
  for (Index a = 0; a < s.h; ++a)
    for (Index b = 0; b < s.w; ++b) {
      const Phase down = Phase::down(a, one), across = Phase::across(b, one);
      const Index last_y = a + s.h * (down.taps - 1), last_x = b + s.w * (across.taps - 1);
      instruction_set().pack({.w = w + (last_y * one.kernel_w + last_x) * one.in_c,
                              .rows = down.taps,
                              .window = across.taps * one.out_c,
                              .channels = one.in_c,
                              .row_step = -s.h * one.kernel_w * one.in_c,
                              .inner = one.out_c,
                              .outer_step = -s.w * one.in_c,
                              .inner_step = taps,
                              .channel_step = 1},
                             nullptr, packed);
      packed += instruction_set().packed_size(down.taps * across.taps * one.out_c, one.in_c);
    }
}

}  // namespace

void conv2d_input_grad_direct(const ConvGeometry& g, Index n, const Real* dy, const Real* w, Real* dx) {
  const InstructionSet& simd = instruction_set();
  const ConvGeometry one = group_of(g);
  const Extent2 s = g.stride;
  const Index packed_step = input_grad_packed_size(one);
  Scratch<Real> packed(g.groups * packed_step);
  for (Index k = 0; k < g.groups; ++k)
    input_grad_pack(one, w + k * one.weight().size(), packed.data() + k * packed_step);
  if (is_product(g))
    return multiply_pixels(n * g.out_h * g.out_w, g.out_c, g.in_c, dy, packed.data(), Finish(), dx);
  // All phases read one padded copy of dy.
  PaddedAxis h{0, 0}, v{0, 0};
  for (Index a = 0; a < s.h; ++a) h.before = std::max(h.before, Phase::down(a, g).before());
  for (Index b = 0; b < s.w; ++b) v.before = std::max(v.before, Phase::across(b, g).before());
  for (Index a = 0; a < s.h; ++a) h.total = std::max(h.total, Phase::down(a, g).total(h.before));
  for (Index b = 0; b < s.w; ++b) v.total = std::max(v.total, Phase::across(b, g).total(v.before));
  parallel_for(n, examples_per_chunk(n), [&](Range examples) {
    PaddedImage image(g.out_h, g.out_w, one.out_c, g.out_c, h, v, 0);
    for (Index e = examples.begin; e < examples.end; ++e)
      for (Index k = 0; k < g.groups; ++k) {
        const Real* from = image.load(dy + e * g.out_h * g.out_w * g.out_c + k * one.out_c);
        Real* to = dx + e * g.in_h * g.in_w * g.in_c + k * one.in_c;
        const Real* weight = packed.data() + k * packed_step;
        for (Index a = 0; a < s.h; ++a)
          for (Index b = 0; b < s.w; ++b) {
            const Phase down = Phase::down(a, g), across = Phase::across(b, g);
            const Index row = down.first - (down.taps - 1) + h.before;
            const Index column = across.first - (across.taps - 1) + v.before;
            simd.conv_image({.out_h = down.count,
                             .out_w = across.count,
                             .channels = one.in_c,
                             .x_row = image.row(),
                             .x_pixel = one.out_c,
                             .rows = down.taps,
                             .window = across.taps * one.out_c,
                             .window_row = image.row(),
                             .y_row = s.h * g.in_w * g.in_c,
                             .y_pixel = s.w * g.in_c},
                            from + row * image.row() + column * one.out_c, weight, Finish(),
                            to + (down.input * g.in_w + across.input) * g.in_c);
            weight += simd.packed_size(down.taps * across.taps * one.out_c, one.in_c);
          }
      }
  });
}

namespace {

/// sums (+)= the products of all pixels of some images, in rows whose both sides stay in the first-level cache.
void add_pixel_products(Index pixels, Index in, Index out, const Real* x, const Real* dy, Real* sums,
                        Index step) {
  constexpr Index row = 56;
  const Index whole = pixels / row, rest = pixels % row;
  if (whole > 0)
    instruction_set().conv_weight_image(pixel_rows(whole, row, in, out), x, dy, false, sums, step);
  if (rest > 0)
    instruction_set().conv_weight_image(pixel_rows(1, rest, in, out), x + whole * row * in,
                                        dy + whole * row * out, whole > 0, sums, step);
}

}  // namespace

void conv2d_weight_grad_direct(const ConvGeometry& g, Index n, const Real* x, const Real* dy, Real* dw) {
  const InstructionSet& simd = instruction_set();
  const ConvGeometry one = group_of(g);
  const Index window = one.kernel_w * one.in_c, size = g.out_c * g.kernel_h * window;
  const Index size_x = g.in_h * g.in_w * g.in_c, size_y = g.out_h * g.out_w * g.out_c;
  // Rows of the window, rounded up to full vectors.
  const Index step = simd.weight_sum_step(g.kernel_h, window);
  const bool exact = step == g.kernel_h * window;
  const Index group = std::max<Index>(4, (n + 15) / 16), groups = (n + group - 1) / group;
  const bool direct = exact && groups == 1;
  Scratch<Real> sums(direct ? 0 : groups * g.out_c * step);
  parallel_for(n, group, [&](Range examples) {
    Real* sum = direct ? dw : sums.data() + examples.begin / group * g.out_c * step;
    if (exact && is_product(g))
      return add_pixel_products(examples.size() * g.out_h * g.out_w, g.in_c, g.out_c,
                                x + examples.begin * size_x, dy + examples.begin * size_y, sum, step);
    PaddedImage image = padded_input(g, exact ? 0 : simd.lanes);
    const ConvImage form = windows(g, image.row());
    for (Index e = examples.begin; e < examples.end; ++e)
      for (Index k = 0; k < g.groups; ++k)
        simd.conv_weight_image(form, image.load(x + e * size_x + k * one.in_c),
                               dy + e * size_y + k * one.out_c, e > examples.begin,
                               sum + k * one.out_c * step, step);
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
