// conv2d_depthwise.cpp: cuts depthwise convolutions into strips of rows; the loops are in simd/depthwise.h.
#include "framework/kernels/conv2d_depthwise.h"

#include <algorithm>

#include "framework/core/parallel.h"
#include "framework/kernels/conv2d_phase.h"
#include "framework/kernels/instruction_set.h"
#include "framework/kernels/scratch.h"

namespace espalier::kernels {
namespace {

DepthwiseImage depthwise_image(const ConvGeometry& g) {
  return {.in_h = g.in_h,
          .in_w = g.in_w,
          .out_w = g.out_w,
          .channels = g.out_c,
          .kernel_h = g.kernel_h,
          .kernel_w = g.kernel_w,
          .stride_h = g.stride.h,
          .stride_w = g.stride.w,
          .dilation_h = g.dilation.h,
          .dilation_w = g.dilation.w,
          .top = -g.pad.h,
          .left = -g.pad.w,
          .x_row = g.in_w * g.in_c,
          .x_pixel = g.in_c,
          .y_row = g.out_w * g.out_c,
          .y_pixel = g.out_c,
          .tap = g.out_c};
}

/// Output rows whose input stays in the second-level cache while the channels pass over it one vector at a time.
Index depthwise_rows_in_cache(const DepthwiseImage& g) {
  constexpr Index values = 32 * 1024;
  return std::max<Index>(1, values / std::max<Index>(1, g.stride_h * g.in_w * g.channels));
}

/// y = taps of x, of all images; their first rows begin size_x and size_y values apart.
void convolve_channels(const DepthwiseImage& g, Index n, Index out_h, Index size_x, Index size_y,
                       const Real* x, const Real* packed, const Real* bias, const Finish& finish, Real* y) {
  const Index strip = depthwise_rows_in_cache(g), strips = (out_h + strip - 1) / strip;
  constexpr Index worth = Index{1} << 16;  // multiply-adds, about 5 microseconds
  const Index macs = strip * g.out_w * g.channels * std::max<Index>(1, g.kernel_h * g.kernel_w);
  parallel_for(n * strips, std::max<Index>(1, worth / std::max<Index>(1, macs)), [&](Range r) {
    for (Index k = r.begin; k < r.end; ++k) {
      const Index e = k / strips, begin = k % strips * strip;
      instruction_set().depthwise(g, begin, std::min(begin + strip, out_h), x + e * size_x, packed, bias,
                                  finish, y + e * size_y);
    }
  });
}

/// One axis of the input gradient: which pixels it makes, from which taps in turn, and where the first reads dy.
struct GradientAxis {
  Index tap, taps, step;  ///< taps tap, tap + step, .. of the kernel, read last to first
  Index first, dilation;  ///< where the first of those reads dy for the first pixel, and the steps from there
  Index input, count, apart;  ///< pixels input, input + apart, ..
};
GradientAxis gradient_axis(Index phase, Index in, Index kernel, Index stride, Index pad, Index dilation) {
  if (stride == 1)  // dx[h] = sum_t dy[h + pad - t dilation] w[t]
    return {0, kernel, 1, pad - (kernel - 1) * dilation, dilation, 0, in, 1};
  const Phase p(phase, in, kernel, stride, pad);
  return {p.tap, p.taps, stride, p.first - (p.taps - 1), 1, p.input, p.count, stride};
}

}  // namespace

void depthwise_pack(const ConvGeometry& g, const Real* w, Real* packed) {
  const Index taps = g.kernel_h * g.kernel_w;
  instruction_set().transpose(taps, g.out_c, w, taps, packed, g.out_c);
}

void conv2d_depthwise_packed(const ConvGeometry& g, Index n, const Real* x, const Real* packed,
                             const Real* bias, const Finish& finish, Real* y) {
  convolve_channels(depthwise_image(g), n, g.out_h, g.input(1).size(), g.output(1).size(), x, packed, bias,
                    finish, y);
}

void conv2d_depthwise(const ConvGeometry& g, Index n, const Real* x, const Real* w, const Real* bias,
                      const Finish& finish, Real* y) {
  Scratch<Real> packed(g.weight().size());
  depthwise_pack(g, w, packed.data());
  conv2d_depthwise_packed(g, n, x, packed.data(), bias, finish, y);
}

void conv2d_input_grad_depthwise(const ConvGeometry& g, Index n, const Real* dy, const Real* w, Real* dx) {
  const Index c = g.in_c;
  Scratch<Real> packed(g.weight().size()), turned(g.weight().size());
  depthwise_pack(g, w, packed.data());
  for (Index a = 0; a < g.stride.h; ++a)
    for (Index b = 0; b < g.stride.w; ++b) {
      const GradientAxis down = gradient_axis(a, g.in_h, g.kernel_h, g.stride.h, g.pad.h, g.dilation.h),
                         across = gradient_axis(b, g.in_w, g.kernel_w, g.stride.w, g.pad.w, g.dilation.w);
      for (Index t = 0; t < down.taps; ++t)
        for (Index k = 0; k < across.taps; ++k) {
          const Index y = down.tap + (down.taps - 1 - t) * down.step,
                      x = across.tap + (across.taps - 1 - k) * across.step;
          std::copy_n(packed.data() + (y * g.kernel_w + x) * c, c, turned.data() + (t * across.taps + k) * c);
        }
      const DepthwiseImage form{.in_h = g.out_h,
                                .in_w = g.out_w,
                                .out_w = across.count,
                                .channels = c,
                                .kernel_h = down.taps,
                                .kernel_w = across.taps,
                                .stride_h = 1,
                                .stride_w = 1,
                                .dilation_h = down.dilation,
                                .dilation_w = across.dilation,
                                .top = down.first,
                                .left = across.first,
                                .x_row = g.out_w * c,
                                .x_pixel = c,
                                .y_row = down.apart * g.in_w * c,
                                .y_pixel = across.apart * c,
                                .tap = c};
      convolve_channels(form, n, down.count, g.output(1).size(), g.input(1).size(), dy, turned.data(),
                        nullptr, Finish(), dx + (down.input * g.in_w + across.input) * c);
    }
}

void conv2d_weight_grad_depthwise(const ConvGeometry& g, Index n, const Real* x, const Real* dy, Real* dw) {
  const InstructionSet& simd = instruction_set();
  const Index taps = g.kernel_h * g.kernel_w, size = g.weight().size();
  const Index size_x = g.input(1).size(), size_y = g.output(1).size();
  // Sums of groups of examples, each over its examples in order; cut by channels too, which no sum crosses.
  const Index group = std::max<Index>(4, (n + 15) / 16), groups = (n + group - 1) / group;
  constexpr Index most = 64, line = 16;
  const Index blocks = (g.out_c + most - 1) / most,
              block = (g.out_c + blocks * line - 1) / (blocks * line) * line;
  Scratch<Real> sums(groups * size);
  parallel_for(groups * blocks, 1, [&](Range r) {
    for (Index k = r.begin; k < r.end; ++k) {
      const Index c = std::min(k % blocks * block, g.out_c), first = k / blocks * group;
      DepthwiseImage form = depthwise_image(g);
      form.channels = std::min(block, g.out_c - c);
      if (form.channels == 0) continue;
      Real* sum = sums.data() + k / blocks * size + c;
      for (Index t = 0; t < taps; ++t) std::fill_n(sum + t * g.out_c, form.channels, Real(0));
      const Index strip = depthwise_rows_in_cache(form);
      for (Index e = first; e < std::min(first + group, n); ++e)
        for (Index p = 0; p < g.out_h; p += strip)
          simd.depthwise_weight(form, p, std::min(p + strip, g.out_h), x + e * size_x + c,
                                dy + e * size_y + c, sum);
    }
  });
  for (Index a = 1; a < groups; ++a) simd.add(size, sums.data(), sums.data() + a * size, sums.data());
  if (n == 0) return std::fill_n(dw, size, Real(0)), void();
  simd.transpose(g.out_c, taps, sums.data(), g.out_c, dw, taps);
}

}  // namespace espalier::kernels
