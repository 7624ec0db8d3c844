// linear.cpp: a linear layer is a convolution of one pixel whose examples lie side by side like the pixels of
// a row, so the tiles of simd/conv_forward.h and simd/conv_weight.h are its products too.
#include "framework/kernels/linear.h"

#include <algorithm>

#include "framework/core/parallel.h"
#include "framework/kernels/instruction_set.h"
#include "framework/kernels/scratch.h"

namespace espalier::kernels {
namespace {

/// Examples in a chunk: at least 2^18 multiply-adds, about 5 microseconds,
/// or handing it over is not worth it.
Index rows_per_chunk(Index inner, Index channels) {
  return std::max<Index>(32, (Index{1} << 18) / std::max<Index>(inner * channels, 1));
}
constexpr Index columns_per_chunk = 48;  // of a weight gradient: a tile of three vectors

/// y [n, channels] = bias + x [n, inner] times a packed weight.
void multiply_rows(Index n, Index inner, Index channels, const Real* x, const Real* packed, bool relu,
                   Real* y) {
  const InstructionSet& simd = instruction_set();
  parallel_for(n, rows_per_chunk(inner, channels), [&](Range r) {
    simd.conv_image({.out_h = 1,
                     .out_w = r.size(),
                     .channels = channels,
                     .x_row = 0,
                     .x_pixel = inner,
                     .rows = 1,
                     .window = inner,
                     .window_row = 0,
                     .y_row = 0,
                     .y_pixel = channels},
                    x + r.begin * inner, packed, relu, y + r.begin * channels);
  });
}

/// sums [out, step] (+)= dy' x for `columns` columns of x, of which a multiple of the vector can be read.
void weight_columns(Index n, Index columns, Index x_step, Index out, const Real* x, const Real* dy, bool add,
                    Real* sums, Index step) {
  constexpr Index cached = 256;  // examples whose part of x and dy stays in the second-level cache
  for (Index e = 0; e < n; e += cached)
    instruction_set().conv_weight_image({.out_h = 1,
                                         .out_w = std::min(cached, n - e),
                                         .channels = out,
                                         .x_row = 0,
                                         .x_pixel = x_step,
                                         .rows = 1,
                                         .window = columns,
                                         .window_row = 0,
                                         .y_row = 0,
                                         .y_pixel = out},
                                        x + e * x_step, dy + e * out, add || e > 0, sums, step);
}

}  // namespace

Index linear_packed_size(Index in, Index out) { return instruction_set().packed_size(in, out); }

void linear_pack(Index in, Index out, const Real* w, const Real* bias, Real* packed) {
  instruction_set().pack({.w = w,
                          .rows = 1,
                          .window = in,
                          .channels = out,
                          .row_step = 0,
                          .inner = in,
                          .outer_step = 0,
                          .inner_step = 1,
                          .channel_step = in},
                         bias, packed);
}

void linear_packed(Index n, Index in, Index out, const Real* x, const Real* packed, bool relu, Real* y) {
  multiply_rows(n, in, out, x, packed, relu, y);
}

void linear(Index n, Index in, Index out, const Real* x, const Real* w, const Real* bias, bool relu,
            Real* y) {
  Scratch<Real> packed(linear_packed_size(in, out));
  linear_pack(in, out, w, bias, packed.data());
  linear_packed(n, in, out, x, packed.data(), relu, y);
}

void linear_input_grad(Index n, Index in, Index out, const Real* dy, const Real* w, Real* dx) {
  const InstructionSet& simd = instruction_set();
  Scratch<Real> packed(simd.packed_size(out, in));
  simd.pack({.w = w,
             .rows = 1,
             .window = out,
             .channels = in,
             .row_step = 0,
             .inner = out,
             .outer_step = 0,
             .inner_step = in,
             .channel_step = 1},
            nullptr, packed.data());
  multiply_rows(n, out, in, dy, packed.data(), false, dx);
}

void linear_weight_grad(Index n, Index in, Index out, const Real* x, const Real* dy, Real* dw) {
  if (n == 0) return std::fill_n(dw, in * out, Real(0)), void();
  if (n == 1) return instruction_set().outer(out, in, dy, x, dw);  // a row of G: nobody reads it soon
  const Index padded = instruction_set().weight_sum_step(1, in);
  if (padded == in)
    return parallel_for(in, columns_per_chunk, [&](Range r) {
      weight_columns(n, r.size(), in, out, x + r.begin, dy, false, dw + r.begin, in);
    });
  // Rows that are no multiple of the vector: what is read past the end of one belongs to the next, and its
  // sums are dropped. The last rows, past which nothing may be read, are copied.
  const Index tail = std::min(n, (padded - 1) / in), direct = n - tail;
  Scratch<Real> copies(tail * padded), sums(out * padded);
  for (Index e = 0; e < tail; ++e) {
    std::copy_n(x + (direct + e) * in, in, copies.data() + e * padded);
    std::fill_n(copies.data() + e * padded + in, padded - in, Real(0));
  }
  parallel_for(padded, columns_per_chunk, [&](Range r) {
    Real* to = sums.data() + r.begin;
    weight_columns(direct, r.size(), in, out, x + r.begin, dy, false, to, padded);
    weight_columns(tail, r.size(), padded, out, copies.data() + r.begin, dy + direct * out, direct > 0, to,
                   padded);
  });
  for (Index o = 0; o < out; ++o) std::copy_n(sums.data() + o * padded, in, dw + o * in);
}

}  // namespace espalier::kernels
