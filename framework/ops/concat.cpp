// concat.cpp: channels side by side, and apart again.
#include <algorithm>

#include "framework/autograd/arithmetic.h"
#include "framework/kernels/pool2d.h"
#include "framework/ops/ops.h"

namespace espalier {
namespace {

Index pixels_of(const Shape& s) { return s.size() / std::max<Index>(s[-1], 1); }

Shape with_channels(const Shape& s, Index channels) {
  if (s.rank() == 2) return {s[0], channels};
  return {s[0], s[1], s[2], channels};
}

/// to[r, to_first + c] = from[r, from_first + c] for `count` channels of all rows.
void copy_channels(Index rows, Index count, const Real* from, Index from_step, Real* to, Index to_step) {
  for (Index r = 0; r < rows; ++r) std::copy_n(from + r * from_step, count, to + r * to_step);
}

void check(const char* op, const Shape& s) {
  require(s.rank() == 2 || s.rank() == 4, "[{}] needs images [n,h,w,c] or rows [n,k], got {}", op, s);
}

// The mean over pixels and its adjoint, as sums: [n, h, w, c] -> [n, c] and back.
Var spread_over_pixels(const Var& x, const Shape& image);

Var sum_over_pixels(const Var& x) {
  const Shape image = x.shape();
  return scale(global_average_pool(x), static_cast<Real>(image[1] * image[2]));
}

Var spread_over_pixels(const Var& x, const Shape& image) {
  const Index n = x.shape()[0], channels = image[3], pixels = image[1] * image[2];
  Tensor y = Tensor::uninitialized(image.with_examples(n));
  for (Index e = 0; e < n; ++e)
    for (Index p = 0; p < pixels; ++p)
      std::copy_n(x.value().data() + e * channels, channels, y.data() + (e * pixels + p) * channels);
  return record("spread_over_pixels", {x}, std::move(y),
                [](const Inputs&, const Var&, const Var& dy) { return sum_over_pixels(dy); });
}

}  // namespace

Var narrow(const Var& x, Index begin, Index count) {
  const Shape& s = x.shape();
  check("narrow", s);
  require(begin >= 0 && count > 0 && begin + count <= s[-1], "[narrow] channels {}..{} of {}", begin,
          begin + count, s);
  Tensor y = Tensor::uninitialized(with_channels(s, count));
  copy_channels(pixels_of(s), count, x.value().data() + begin, s[-1], y.data(), count);
  return record(
      "narrow", {x}, std::move(y),
      [begin, total = s[-1]](const Inputs&, const Var&, const Var& dy) { return widen(dy, begin, total); });
}

Var widen(const Var& x, Index begin, Index total) {
  const Shape& s = x.shape();
  check("widen", s);
  require(begin >= 0 && begin + s[-1] <= total, "[widen] {} from channel {} of {}", s, begin, total);
  Tensor y = Tensor::zeros(with_channels(s, total));
  copy_channels(pixels_of(s), s[-1], x.value().data(), s[-1], y.data() + begin, total);
  return record("widen", {x}, std::move(y), [begin, count = s[-1]](const Inputs&, const Var&, const Var& dy) {
    return narrow(dy, begin, count);
  });
}

Var concat(std::span<const Var> parts) {
  require(!parts.empty(), "[concat] needs at least one value");
  Index total = 0;
  for (const Var& part : parts) {
    check("concat", part.shape());
    require(with_channels(part.shape(), 1) == with_channels(parts[0].shape(), 1),
            "[concat] shapes differ in more than the channels: {} and {}", parts[0].shape(), part.shape());
    total += part.shape()[-1];
  }
  Tensor y = Tensor::uninitialized(with_channels(parts[0].shape(), total));
  Index first = 0;
  for (const Var& part : parts) {
    const Index count = part.shape()[-1];
    copy_channels(pixels_of(y.shape()), count, part.value().data(), count, y.data() + first, total);
    first += count;
  }
  return record_alike("concat", parts, std::move(y),
                      [](int argument, const Inputs& in, const Var&, const Var& dy) {
                        Index begin = 0;
                        for (int i = 0; i < argument; ++i) begin += in[i].shape()[-1];
                        return narrow(dy, begin, in[argument].shape()[-1]);
                      });
}

Var multiply_channels(const Var& x, const Var& factor) {
  const Shape& s = x.shape();
  require(s.rank() == 4 && factor.shape() == Shape{s[0], s[3]},
          "[multiply_channels] images {} need factors [n, c], got {}", s, factor.shape());
  return multiply(x, spread_over_pixels(factor, s));
}

}  // namespace espalier
