// reshape.cpp: from images to rows and back, in PyTorch's order of columns.
#include "framework/core/parallel.h"
#include "framework/ops/ops.h"

namespace espalier {
namespace {

/// out[n, j, i] = in[n, i, j]; a view where the order in memory is the same.
Tensor transpose_examples(const Tensor& in, Index rows, Index cols, const Shape& shape) {
  if (rows == 1 || cols == 1) return in.reshape(shape);
  Tensor out = Tensor::uninitialized(shape);
  parallel_for(shape[0], 32, [&](Range r) {
    for (Index n = r.begin; n < r.end; ++n) {
      const Real* from = in.data() + n * rows * cols;
      Real* to = out.data() + n * rows * cols;
      for (Index j = 0; j < cols; ++j)
        for (Index i = 0; i < rows; ++i) to[j * rows + i] = from[i * cols + j];
    }
  });
  return out;
}

}  // namespace

Var flatten(const Var& x) {
  const Shape image = x.shape();
  require(image.rank() == 4, "[flatten] needs images [n,h,w,c], got {}", image);
  return record(
      "flatten", {x},
      transpose_examples(x.value(), image[1] * image[2], image[3], {image[0], image.example_size()}),
      [image](const Inputs&, const Var&, const Var& dy) { return unflatten(dy, image); });
}

Var unflatten(const Var& x, const Shape& image) {
  const Shape shape = image.with_examples(x.shape()[0]);
  require(x.shape().rank() == 2 && x.shape().size() == shape.size(), "[unflatten] {} is no image {}",
          x.shape(), shape);
  return record("unflatten", {x}, transpose_examples(x.value(), shape[3], shape[1] * shape[2], shape),
                [](const Inputs&, const Var&, const Var& dy) { return flatten(dy); });
}

}  // namespace espalier
