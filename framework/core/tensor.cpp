#include "framework/core/tensor.h"

#include <algorithm>

#include "framework/core/buffer_pool.h"

namespace espalier {

Tensor Tensor::uninitialized(const Shape& shape) {
  const std::size_t bytes = static_cast<std::size_t>(shape.size()) * sizeof(Real);
  auto* memory = static_cast<Real*>(pool_allocate(bytes));
  return {shape, std::shared_ptr<Real>(
                     memory, [bytes](Real* p) { pool_free(p, bytes); }, PoolAllocator<Real>())};
}

Tensor Tensor::full(const Shape& shape, Real value) {
  Tensor t = uninitialized(shape);
  std::fill_n(t.data(), t.size(), value);
  return t;
}

Tensor Tensor::from(const Shape& shape, std::span<const Real> values) {
  require(static_cast<Index>(values.size()) == shape.size(), "[tensor] shape {} needs {} values, got {}",
          shape, shape.size(), values.size());
  Tensor t = uninitialized(shape);
  std::copy(values.begin(), values.end(), t.data());
  return t;
}

Tensor Tensor::slice(Range examples) const {
  require(
      shape_.rank() > 0 && examples.begin >= 0 && examples.begin <= examples.end && examples.end <= shape_[0],
      "[slice] examples {}..{} of a tensor of shape {}", examples.begin, examples.end, shape_);
  if (empty()) return {shape_.with_examples(examples.size()), nullptr};
  return {shape_.with_examples(examples.size()),
          std::shared_ptr<Real>(buffer_, buffer_.get() + examples.begin * shape_.example_size())};
}

Tensor Tensor::reshape(const Shape& shape) const {
  require(shape.size() == shape_.size(), "[reshape] {} has {} values, {} has {}", shape_, shape_.size(),
          shape, shape.size());
  return {shape, buffer_};
}

}  // namespace espalier
