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

/// y [n, channels] = bias + x [n, inner] times a packed weight; rows of y begin y_step apart.
void multiply(Index n, Index inner, Index channels, const Real* x, const Real* packed, const Finish& finish,
              Real* y, Index y_step) {
  instruction_set().conv_image({.out_h = 1,
                                .out_w = n,
                                .channels = channels,
                                .x_row = 0,
                                .x_pixel = inner,
                                .rows = 1,
                                .window = inner,
                                .window_row = 0,
                                .y_row = 0,
                                .y_pixel = y_step},
                               x, packed, finish, y);
}
void multiply_rows(Index n, Index inner, Index channels, const Real* x, const Real* packed,
                   const Finish& finish, Real* y) {
  parallel_for(n, rows_per_chunk(inner, channels), [&](Range r) {
    multiply(r.size(), inner, channels, x + r.begin * inner, packed, finish, y + r.begin * channels,
             channels);
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

namespace {
/// Packs the weight rows [out, in] of `out` outputs.
void pack_outputs(Index in, Index out, const Real* w, const Real* bias, Real* packed) {
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
/// Outputs of a piece: enough for about 5 microseconds with one example, and whole tiles.
Index outputs_per_piece(Index in) {
  constexpr Index outputs = 64, worth = Index{1} << 17;
  return (worth / std::max<Index>(in, 1) / outputs + 1) * outputs;
}
}  // namespace

PackedLinear::PackedLinear(Index in, Index out, const Real* w, const Real* bias)
    : in_(in), out_(out), piece_(outputs_per_piece(in)) {
  Index size = 0;
  for (Index o = 0; o < out; o += piece_)
    size += instruction_set().packed_size(in, std::min(piece_, out - o));
  packed_.resize(size);
  Real* next = packed_.data();
  for (Index o = 0; o < out; o += piece_) {
    const Index count = std::min(piece_, out - o);
    pack_outputs(in, count, w + o * in, bias ? bias + o : nullptr, next);
    next += instruction_set().packed_size(in, count);
  }
}

void PackedLinear::run(Index n, const Real* x, const Finish& finish, Real* y) const {
  const Index step = instruction_set().packed_size(in_, piece_);  // every piece but the last has this size
  const auto outputs = [&](Range examples, Range pieces) {
    for (Index p = pieces.begin; p < pieces.end; ++p)
      multiply(examples.size(), in_, std::min(piece_, out_ - p * piece_), x + examples.begin * in_,
               packed_.data() + p * step, finish, y + examples.begin * out_ + p * piece_, out_);
  };
  const Index pieces = (out_ + piece_ - 1) / piece_, rows = rows_per_chunk(in_, out_);
  if (n <= rows)
    parallel_for(pieces, 1, [&](Range r) { outputs({0, n}, r); });
  else
    parallel_for(n, rows, [&](Range r) { outputs(r, {0, pieces}); });
}

void linear(Index n, Index in, Index out, const Real* x, const Real* w, const Real* bias,
            const Finish& finish, Real* y) {
  Scratch<Real> packed(instruction_set().packed_size(in, out));
  pack_outputs(in, out, w, bias, packed.data());
  multiply_rows(n, in, out, x, packed.data(), finish, y);
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
