// tensor.h: a shape and a shared, contiguous buffer of Real. Copies share the buffer;
// there is no arithmetic here.
#pragma once

#include <memory>
#include <span>

#include "framework/core/real.h"
#include "framework/core/shape.h"

namespace espalier {

class Tensor {
 public:
  Tensor() = default;
  /// Contents are arbitrary (NaN in poisoned builds) until written.
  static Tensor uninitialized(const Shape& shape);
  static Tensor full(const Shape& shape, Real value);
  static Tensor zeros(const Shape& shape) { return full(shape, 0); }
  /// A copy of `values`, row-major in `shape`.
  static Tensor from(const Shape& shape, std::span<const Real> values);
  /// A view of memory somebody else owns and keeps alive through `owner`.
  static Tensor view(const Shape& shape, std::shared_ptr<Real> owner) { return {shape, std::move(owner)}; }

  const Shape& shape() const { return shape_; }
  Index size() const { return shape_.size(); }
  bool empty() const { return buffer_ == nullptr; }
  Real* data() { return buffer_.get(); }
  const Real* data() const { return buffer_.get(); }
  std::span<Real> values() { return {data(), static_cast<std::size_t>(size())}; }
  std::span<const Real> values() const { return {data(), static_cast<std::size_t>(size())}; }

  /// Where example n (axis 0) begins.
  const Real* example(Index n) const { return data() + n * shape_.example_size(); }
  /// View of the examples `range` (axis 0).
  Tensor slice(Range examples) const;
  /// View with another shape of the same size.
  Tensor reshape(const Shape& shape) const;
  /// The same shape without values (empty()).
  Tensor without_values() const { return {shape_, nullptr}; }
  Tensor clone() const { return from(shape_, values()); }

 private:
  Tensor(const Shape& shape, std::shared_ptr<Real> buffer) : shape_(shape), buffer_(std::move(buffer)) {}
  Shape shape_;
  std::shared_ptr<Real> buffer_;
};

}  // namespace espalier
