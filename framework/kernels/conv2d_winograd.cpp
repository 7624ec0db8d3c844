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
  /// Tiles in a block whose values of both sides stay in the second-level cache while all points are visited. A weight
  /// that does not fit there is read anew for every block: then as many as take a quarter of its size.
  Index block(Index channels_in, Index channels_out) const {
    constexpr Index cached = 60 * 1024;
    const Index values = std::max(cached, points() * channels_in * channels_out / 4);
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

/// One convolution by tiles: the maps, with the products of all points between them.
struct Convolution {
  const Tiling& tiling;
  const WinogradImages &from, &to;
  const Real *x, *packed, *bias;
  Finish finish;
  Real* y;

  void read(Range tiles, Index plane, const Real* zeros, Real* in) const {
    WinogradImages view = from;
    view.first = tiles.begin;
    view.count = tiles.size();
    view.plane = plane;
    instruction_set().winograd_points(view, x, zeros, in);
  }
  void multiply(Range points, Index count, const Real* in, Real* out) const {
    const InstructionSet& simd = instruction_set();
    const Index weight = simd.packed_size(from.channels, to.channels);
    const ConvImage form = product(count, from.channels, to.channels);
    for (Index f = points.begin; f < points.end; ++f)
      simd.conv_image(form, in + f * count * from.channels, packed + f * weight, false,
                      out + f * count * to.channels);
  }
  void write(Range tiles, Index plane, const Real* out, Real* nowhere) const {
    WinogradImages view = to;
    view.first = tiles.begin;
    view.count = tiles.size();
    view.plane = plane;
    instruction_set().winograd_images(view, out, bias, finish, nowhere, y);
  }
};

/// y = combination of the products of x (`from`) and a weight already at the points (`packed`).
void convolve(const Convolution& c, Index n) {
  const Index in_c = c.from.channels, out_c = c.to.channels;
  const Index points = c.tiling.points(), block = c.tiling.block(in_c, out_c),
              tiles = n * c.tiling.per_image();
  constexpr Index worth = Index{1} << 19;  // multiply-adds, about 10 microseconds
  if (tiles <= 2 * block && points * tiles * in_c * out_c >= worth && can_share()) {
    // Too few tiles for blocks: each step is cut on its own, the products by points, so that every weight is
    // read once.
    constexpr Index parts = 4;
    Scratch<Real> in(points * tiles * in_c), out(points * tiles * out_c);
    parallel_for(tiles, (tiles + parts - 1) / parts, [&](Range r) {
      Scratch<Real> zeros(in_c);
      std::fill_n(zeros.data(), in_c, Real(0));
      c.read(r, tiles * in_c, zeros.data(), in.data() + r.begin * in_c);
    });
    parallel_for(points, (points + parts - 1) / parts,
                 [&](Range r) { c.multiply(r, tiles, in.data(), out.data()); });
    parallel_for(tiles, (tiles + parts - 1) / parts, [&](Range r) {
      Scratch<Real> nowhere(out_c);
      c.write(r, tiles * out_c, out.data() + r.begin * out_c, nowhere.data());
    });
    return;
  }
  parallel_for(tiles, block, [&](Range r) {
    Scratch<Real> in(points * r.size() * in_c), out(points * r.size() * out_c),
        outside(std::max(in_c, out_c));
    std::fill_n(outside.data(), in_c, Real(0));
    c.read(r, r.size() * in_c, outside.data(), in.data());
    c.multiply({0, points}, r.size(), in.data(), out.data());
    c.write(r, r.size() * out_c, out.data(), outside.data());
  });
}

}  // namespace

Index winograd_packed_size(const ConvGeometry& g) {
  return Tiling(g, g.out_h, g.out_w).points() * instruction_set().packed_size(g.in_c, g.out_c);
}

void winograd_pack(const ConvGeometry& g, const Real* w, Real* packed) {
  const InstructionSet& simd = instruction_set();
  // [o][tap][i] -> [i][tap][o], so that the products have output channels innermost.
  const Index taps = g.kernel_h * g.kernel_w;
  Scratch<Real> turned(g.in_c * taps * g.out_c);
  for (Index k = 0; k < taps; ++k)
    simd.transpose(g.in_c, g.out_c, w + k * g.in_c, taps * g.in_c, turned.data() + k * g.out_c,
                   taps * g.out_c);
  simd.winograd_pack(g.in_c, g.out_c, g.kernel_h, false, turned.data(), packed);
}

void conv2d_winograd_packed(const ConvGeometry& g, Index n, const Real* x, const Real* packed,
                            const Real* bias, const Finish& finish, Real* y) {
  const Tiling tiling(g, g.out_h, g.out_w);
  const WinogradImages from = tiling.view(g.in_h, g.in_w, g.in_c, tiling.edge(), g.pad.h),
                       to = tiling.view(g.out_h, g.out_w, g.out_c, tile, 0);
  convolve({tiling, from, to, x, packed, bias, finish, y}, n);
}

void conv2d_winograd(const ConvGeometry& g, Index n, const Real* x, const Real* w, const Real* bias,
                     const Finish& finish, Real* y) {
  Scratch<Real> packed(winograd_packed_size(g));
  winograd_pack(g, w, packed.data());
  conv2d_winograd_packed(g, n, x, packed.data(), bias, finish, y);
}

void conv2d_input_grad_winograd(const ConvGeometry& g, Index n, const Real* dy, const Real* w, Real* dx) {
  const InstructionSet& simd = instruction_set();
  const Tiling tiling(g, g.in_h, g.in_w);
  Scratch<Real> packed(tiling.points() * simd.packed_size(g.out_c, g.in_c));
  simd.winograd_pack(g.out_c, g.in_c, g.kernel_h, true, w, packed.data());
  const WinogradImages from = tiling.view(g.out_h, g.out_w, g.out_c, tiling.edge(), g.kernel_h - 1 - g.pad.h),
                       to = tiling.view(g.in_h, g.in_w, g.in_c, tile, 0);
  convolve({tiling, from, to, dy, packed.data(), nullptr, false, dx}, n);
}

namespace {

/// Whether the values of a weight at the points are so many, and the tiles so few, that sums for groups of examples
/// would only carry them through memory.
bool has_wide_weight(const ConvGeometry& g, Index n, const Tiling& tiling) {
  constexpr Index weight = Index{2} << 20, tiles = Index{8} << 20;  // values
  return tiling.points() * g.in_c * g.out_c >= weight &&
         tiling.points() * n * tiling.per_image() * (g.in_c + g.out_c) <= tiles;
}

/// All tiles are brought to the points once; then some output channels at a time, whose sums stay in the second-level
/// cache, take their products over all tiles.
void wide_weight_grad(const ConvGeometry& g, Index n, const Tiling& tiling, const WinogradImages& weight,
                      const Real* x, const Real* dy, Real* dw) {
  const InstructionSet& simd = instruction_set();
  constexpr Index outputs = 16, some = 8;  // channels, tiles in a chunk
  const Index points = tiling.points(), tiles = n * tiling.per_image(), step = weight.tile;
  Scratch<Real> in(points * tiles * g.in_c + simd.lanes), out(points * tiles * g.out_c);
  std::fill_n(in.data() + points * tiles * g.in_c, simd.lanes, Real(0));  // read, but not used
  parallel_for(tiles, some, [&](Range r) {
    Scratch<Real> zeros(std::max(g.in_c, g.out_c));
    std::fill_n(zeros.data(), std::max(g.in_c, g.out_c), Real(0));
    WinogradImages data = tiling.view(g.in_h, g.in_w, g.in_c, tiling.edge(), g.pad.h);
    WinogradImages filter = tiling.view(g.out_h, g.out_w, g.out_c, tile, 0);
    data.first = filter.first = r.begin;
    data.count = filter.count = r.size();
    data.plane = tiles * g.in_c;
    filter.plane = tiles * g.out_c;
    simd.winograd_points(data, x, zeros.data(), in.data() + r.begin * g.in_c);
    simd.winograd_points(filter, dy, zeros.data(), out.data() + r.begin * g.out_c);
  });
  parallel_for(g.out_c, outputs, [&](Range r) {
    Scratch<Real> sums(points * r.size() * step);
    ConvImage form = product(tiles, g.in_c, g.out_c);
    form.channels = r.size();
    for (Index f = 0; f < points; ++f)
      simd.conv_weight_image(form, in.data() + f * tiles * g.in_c, out.data() + f * tiles * g.out_c + r.begin,
                             false, sums.data() + f * r.size() * step, step);
    WinogradImages some_filters = weight;
    some_filters.count = r.size();
    some_filters.plane = r.size() * step;
    simd.winograd_images(some_filters, sums.data(), nullptr, Finish(), nullptr, dw + r.begin * weight.image);
  });
}

}  // namespace

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
  if (has_wide_weight(g, n, tiling)) return wide_weight_grad(g, n, tiling, weight, x, dy, dw);
  Scratch<Real> parts(groups > 1 ? groups * size : 0);
  parallel_for(n, group, [&](Range examples) {
    Scratch<Real> in(points * block * g.in_c + simd.lanes), out(points * block * g.out_c),
        sums(points * plane), zeros(std::max(g.in_c, g.out_c));
    std::fill_n(zeros.data(), std::max(g.in_c, g.out_c), Real(0));
    std::fill_n(in.data() + points * block * g.in_c, simd.lanes, Real(0));  // read, but not used
    WinogradImages data = tiling.view(g.in_h, g.in_w, g.in_c, tiling.edge(), g.pad.h);
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
