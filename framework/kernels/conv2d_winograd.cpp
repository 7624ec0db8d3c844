// conv2d_winograd.cpp: the three convolutions through values at edge x edge points, edge = kernel + 3, in
// tiles of 4 x 4 outputs. With D the map of data, E_k the one of k x k filters and C_k = E_k'
// (simd/winograd.h), r the kernel:
//   forward          y  = C_4 [ E_r w . D x ]
//   input gradient   dx = C_4 [ E_r w . D dy ], w mirrored, channels exchanged
//   weight gradient  dw = C_r [ E_4 dy . D x ], summed over tiles before C_r
// At each point the products of all channels are one matrix product,
// done by the register tiles of the direct convolution.
#include "framework/kernels/conv2d_winograd.h"

#include <algorithm>

#include "framework/core/parallel.h"
#include "framework/kernels/instruction_set.h"
#include "framework/kernels/scratch.h"

namespace espalier::kernels {
namespace {

constexpr Index tile = 4;

/// Images cut into tiles, and the points of each.
struct Tiling {
  Index kernel, down, across;
  Tiling(const ConvGeometry& g, Index out_h, Index out_w)
      : kernel(g.kernel_h), down((out_h + tile - 1) / tile), across((out_w + tile - 1) / tile) {}
  Index edge() const { return kernel + tile - 1; }
  Index points() const { return edge() * edge(); }
  Index per_image() const { return down * across; }
  /// Tiles in a block whose values of both sides stay in the second-level cache while all points are visited.
  Index block(Index channels_in, Index channels_out) const {
    constexpr Index values = 60 * 1024;
    return std::max<Index>(14, values / (points() * (channels_in + channels_out)) / 14 * 14);
  }
  /// Tiles of `size` x `size` values, beginning `before` values outside the images.
  WinogradImages view(Index height, Index width, Index channels, Index size, Index before) const {
    return {.height = height,
            .width = width,
            .channels = channels,
            .image = height * width * channels,
            .pixel = channels,
            .down = down,
            .across = across,
            .first = 0,
            .count = 0,
            .edge = edge(),
            .size = size,
            .step = tile,
            .before = before,
            .mirrored = false,
            .plane = 0,
            .tile = channels};
  }
};

/// A matrix product [rows, inner] x packed [inner, channels], or the sums of its transpose: what is left of a
/// convolution at one point.
ConvImage product(Index rows, Index inner, Index channels) {
  return {.out_h = 1,
          .out_w = rows,
          .channels = channels,
          .x_row = 0,
          .x_pixel = inner,
          .rows = 1,
          .window = inner,
          .window_row = 0,
          .y_row = 0,
          .y_pixel = channels};
}

/// y = combination of the products of x (`from`) and a weight already at the points (`packed`).
void convolve(const Tiling& tiling, Index n, const WinogradImages& from, const Real* x, const Real* packed,
              const WinogradImages& to, const Real* bias, bool relu, Real* y) {
  const InstructionSet& simd = instruction_set();
  const Index points = tiling.points(), block = tiling.block(from.channels, to.channels);
  const Index plane = simd.packed_size(from.channels, to.channels);
  parallel_for(n * tiling.per_image(), block, [&](Range tiles) {
    const Index count = tiles.size(), size_in = count * from.channels, size_out = count * to.channels;
    Scratch<Real> in(points * size_in), out(points * size_out), outside(std::max(from.channels, to.channels));
    WinogradImages read = from, write = to;
    read.first = write.first = tiles.begin;
    read.count = write.count = count;
    read.plane = size_in;
    write.plane = size_out;
    std::fill_n(outside.data(), from.channels, Real(0));
    simd.winograd_points(read, x, outside.data(), in.data());
    const ConvImage form = product(count, from.channels, to.channels);
    for (Index f = 0; f < points; ++f)
      simd.conv_image(form, in.data() + f * size_in, packed + f * plane, false, out.data() + f * size_out);
    simd.winograd_images(write, out.data(), bias, relu, outside.data(), y);
  });
}

}  // namespace

void conv2d_winograd(const ConvGeometry& g, Index n, const Real* x, const Real* w, const Real* bias,
                     bool relu, Real* y) {
  const InstructionSet& simd = instruction_set();
  // [o][tap][i] -> [i][tap][o], so that the products have output channels innermost.
  const Index taps = g.kernel_h * g.kernel_w;
  const Tiling tiling(g, g.out_h, g.out_w);
  Scratch<Real> turned(g.in_c * taps * g.out_c), packed(tiling.points() * simd.packed_size(g.in_c, g.out_c));
  for (Index k = 0; k < taps; ++k)
    simd.transpose(g.in_c, g.out_c, w + k * g.in_c, taps * g.in_c, turned.data() + k * g.out_c,
                   taps * g.out_c);
  simd.winograd_pack(g.in_c, g.out_c, g.kernel_h, false, turned.data(), packed.data());
  convolve(tiling, n, tiling.view(g.in_h, g.in_w, g.in_c, tiling.edge(), g.pad), x, packed.data(),
           tiling.view(g.out_h, g.out_w, g.out_c, tile, 0), bias, relu, y);
}

void conv2d_input_grad_winograd(const ConvGeometry& g, Index n, const Real* dy, const Real* w, Real* dx) {
  const InstructionSet& simd = instruction_set();
  const Tiling tiling(g, g.in_h, g.in_w);
  Scratch<Real> packed(tiling.points() * simd.packed_size(g.out_c, g.in_c));
  simd.winograd_pack(g.out_c, g.in_c, g.kernel_h, true, w, packed.data());
  convolve(tiling, n, tiling.view(g.out_h, g.out_w, g.out_c, tiling.edge(), g.kernel_h - 1 - g.pad), dy,
           packed.data(), tiling.view(g.in_h, g.in_w, g.in_c, tile, 0), nullptr, false, dx);
}

void conv2d_weight_grad_winograd(const ConvGeometry& g, Index n, const Real* x, const Real* dy, Real* dw) {
  const InstructionSet& simd = instruction_set();
  const Index size = g.weight().size();
  if (n == 0) std::fill_n(dw, size, Real(0));
  const Tiling tiling(g, g.out_h, g.out_w);
  const Index group = std::max<Index>(4, (n + 15) / 16), groups = (n + group - 1) / group;
  const Index points = tiling.points(), block = tiling.block(g.in_c, g.out_c);
  const Index step = simd.weight_sum_step(1, g.in_c), plane = g.out_c * step;
  const WinogradImages weight{.height = g.kernel_h,
                              .width = g.kernel_w,
                              .channels = g.in_c,
                              .image = g.kernel_h * g.kernel_w * g.in_c,
                              .pixel = g.in_c,
                              .down = 1,
                              .across = 1,
                              .first = 0,
                              .count = g.out_c,
                              .edge = tiling.edge(),
                              .size = g.kernel_h,
                              .step = 0,
                              .before = 0,
                              .mirrored = false,
                              .plane = plane,
                              .tile = step};
  Scratch<Real> parts(groups > 1 ? groups * size : 0);
  parallel_for(n, group, [&](Range examples) {
    Scratch<Real> in(points * block * g.in_c + simd.lanes), out(points * block * g.out_c),
        sums(points * plane), zeros(std::max(g.in_c, g.out_c));
    std::fill_n(zeros.data(), std::max(g.in_c, g.out_c), Real(0));
    std::fill_n(in.data() + points * block * g.in_c, simd.lanes, Real(0));  // read, but not used
    WinogradImages data = tiling.view(g.in_h, g.in_w, g.in_c, tiling.edge(), g.pad);
    WinogradImages filter = tiling.view(g.out_h, g.out_w, g.out_c, tile, 0);
    const Index last = examples.end * tiling.per_image();
    for (Index t = examples.begin * tiling.per_image(); t < last; t += block) {
      const Index count = std::min(block, last - t);
      data.first = filter.first = t;
      data.count = filter.count = count;
      data.plane = count * g.in_c;
      filter.plane = count * g.out_c;
      simd.winograd_points(data, x, zeros.data(), in.data());
      simd.winograd_points(filter, dy, zeros.data(), out.data());
      const ConvImage form = product(count, g.in_c, g.out_c);
      for (Index f = 0; f < points; ++f)
        simd.conv_weight_image(form, in.data() + f * data.plane, out.data() + f * filter.plane,
                               t > examples.begin * tiling.per_image(), sums.data() + f * plane, step);
    }
    simd.winograd_images(weight, sums.data(), nullptr, false, nullptr,
                         groups > 1 ? parts.data() + examples.begin / group * size : dw);
  });
  if (groups <= 1) return;
  parallel_for(size, 4096, [&](Range r) {
    std::copy(parts.data() + r.begin, parts.data() + r.end, dw + r.begin);
    for (Index k = 1; k < groups; ++k)
      simd.add(r.size(), dw + r.begin, parts.data() + k * size + r.begin, dw + r.begin);
  });
}

}  // namespace espalier::kernels
