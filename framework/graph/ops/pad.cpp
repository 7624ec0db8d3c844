#include <algorithm>

#include "framework/graph/ops/rules.h"
#include "framework/graph/pad_op.h"
#include "framework/ops/ops.h"

namespace espalier {
namespace {

/// Copies the rows of the small images [n, h, w, c] to where they lie in the large ones, or back.
template <class Copy>
void for_each_row(const Shape& small, const Shape& large, const Border& b, Copy copy) {
  for (Index e = 0; e < small[0]; ++e)
    for (Index y = 0; y < small[1]; ++y)
      copy((e * small[1] + y) * small[2] * small[3],
           ((e * large[1] + y + b.top) * large[2] + b.left) * large[3], small[2] * small[3]);
}

}  // namespace

Var pad_pixels(const Var& x, const Border& b) {
  const Shape s = x.shape();
  require(s.rank() == 4, "[pad_pixels] of {}", s);
  Tensor y = Tensor::zeros({s[0], b.top + s[1] + b.bottom, b.left + s[2] + b.right, s[3]});
  for_each_row(s, y.shape(), b, [&](Index from, Index to, Index count) {
    std::copy_n(x.value().data() + from, count, y.data() + to);
  });
  return record("pad_pixels", {x}, std::move(y),
                [b](const Inputs&, const Var&, const Var& dy) { return crop_pixels(dy, b); });
}

Var crop_pixels(const Var& x, const Border& b) {
  const Shape s = x.shape();
  require(s.rank() == 4 && s[1] > b.top + b.bottom && s[2] > b.left + b.right, "[crop_pixels] of {}", s);
  Tensor y = Tensor::uninitialized({s[0], s[1] - b.top - b.bottom, s[2] - b.left - b.right, s[3]});
  for_each_row(y.shape(), s, b, [&](Index to, Index from, Index count) {
    std::copy_n(x.value().data() + from, count, y.data() + to);
  });
  return record("crop_pixels", {x}, std::move(y),
                [b](const Inputs&, const Var&, const Var& dy) { return pad_pixels(dy, b); });
}

void PadOp::fields(Fields& f) {
  constexpr double most = 1 << 20;
  f.sides("pad", {&top, &left, &bottom, &right}, "zeros around the image; a list: above, left, below, right",
          {.low = 0, .high = most});
}
Shape PadOp::shape(std::span<const Shape> in) const {
  const Shape& image = rules::image(in[0]);
  return {top + image[0] + bottom, left + image[1] + right, image[2]};
}
Var PadOp::apply(std::span<const Var> in, const StepWeights&, Pass&) const {
  return pad_pixels(in[0], {top, left, bottom, right});
}

namespace {
const bool pad_known = add_op<PadOp>("zeros around images");
}

}  // namespace espalier
