// ops.h: the ops of graphs. Settings are public members: passes, kernels and other formats read them. A new
// one is described in op_table.h.
#pragma once

#include "framework/graph/op_table.h"
#include "framework/ops/ops.h"

namespace espalier {

/// Layers that end in ReLU draw He weights, the last layer of a classifier Glorot.
enum class Init { he, glorot };

/// Settings of a square convolution, as networks in C++ write them: ConvOp({.out = 32, .kernel = 5, .pad =
/// 2}).
struct SquareConv {
  Index out, kernel;
  Index stride = 1, pad = 0, dilation = 1, groups = 1;
  bool bias = true;
};
/// {h, w, c} -> {h', w', out}. Parameters: weight OHWI [out, kernel_h, kernel_w, c / groups], bias [out].
struct ConvOp final : OpOf<ConvOp> {
  Index out = 0, kernel_h = 3, kernel_w = 3, stride_h = 1, stride_w = 1;
  Index pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0, dilation_h = 1, dilation_w = 1, groups = 1;
  bool bias = true;
  Activation joined_activation;
  ConvOp() = default;
  explicit ConvOp(const SquareConv& s);
  const char* type() const override { return "conv"; }
  void fields(Fields& f) override;
  Shape shape(std::span<const Shape> in) const override;
  std::vector<ParameterSpec> parameters(std::span<const Shape> in) const override;
  Var apply(std::span<const Var> in, const StepWeights& own, Pass& pass) const override;
  Index macs(std::span<const Shape> in) const override;
  Activation* activation() override { return &joined_activation; }
  Reads reads(const Pass&) const override { return {.output = static_cast<bool>(joined_activation)}; }
  Conv2dSpec spec() const;  ///< without the activation
  ConvGeometry geometry(const Shape& image) const;
};

struct LinearOptions {
  Index out;
  bool bias = true;
  Init init = Init::he;
};
/// {in} -> {out}. Parameters: weight [out, in], bias [out].
struct LinearOp final : OpOf<LinearOp> {
  Index out = 0;
  bool bias = true;
  Init init = Init::he;
  Activation joined_activation;
  LinearOp() = default;
  explicit LinearOp(const LinearOptions& o) : out(o.out), bias(o.bias), init(o.init) {}
  const char* type() const override { return "linear"; }
  void fields(Fields& f) override;
  Shape shape(std::span<const Shape> in) const override;
  std::vector<ParameterSpec> parameters(std::span<const Shape> in) const override;
  Var apply(std::span<const Var> in, const StepWeights& own, Pass& pass) const override;
  Index macs(std::span<const Shape> in) const override { return in[0].size() * out; }
  Activation* activation() override { return &joined_activation; }
  Reads reads(const Pass&) const override { return {.output = static_cast<bool>(joined_activation)}; }
};

/// Per channel (last axis). Parameters: weight (the scale) and bias (the shift); statistics: running_mean and
/// running_var, which training moves: the mean, and the unbiased variance as PyTorch does.
struct BatchNormOp final : OpOf<BatchNormOp> {
  double epsilon = 1e-5;
  Activation joined_activation;
  const char* type() const override { return "batch_norm"; }
  void fields(Fields& f) override;
  Shape shape(std::span<const Shape> in) const override { return in[0]; }
  std::vector<ParameterSpec> parameters(std::span<const Shape> in) const override;
  std::vector<StatisticSpec> statistics(std::span<const Shape> in) const override;
  Var apply(std::span<const Var> in, const StepWeights& own, Pass& pass) const override;
  Activation* activation() override { return &joined_activation; }
  Reads reads(const Pass& pass) const override;
};

/// "relu": one op of the table for each kind of activation.
struct ActivationOp : OpOf<ActivationOp> {
  Activation function;
  ActivationOp() = default;
  explicit ActivationOp(const Activation& f) : function(f) {}
  const char* type() const override;
  void fields(Fields& f) override;
  Shape shape(std::span<const Shape> in) const override { return in[0]; }
  Var apply(std::span<const Var> in, const StepWeights& own, Pass& pass) const override;
  bool piecewise_linear(const std::vector<bool>&) const override;
};
/// ReLU, for short.
inline ActivationOp rectifier() { return ActivationOp(Activation::Kind::relu); }

/// What the two poolings share. Padding is smaller than the kernel.
struct PoolSettings {
  Index kernel_h = 2, kernel_w = 2;
  Index stride_h = 0, stride_w = 0;  ///< 0: the kernel's extent
  Index pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  bool ceil_mode = false;         ///< a last window that hangs over the far border counts too
  bool count_include_pad = true;  ///< of means
  PoolSettings() = default;
  PoolSettings(Index kernel, Index stride)
      : kernel_h(kernel), kernel_w(kernel), stride_h(stride), stride_w(stride) {}
  void fields(Fields& f);
  Shape shape(const Shape& image) const;
  PoolSpec spec() const;
  PoolGeometry geometry(const Shape& image) const;
};
struct MaxPoolOp final : OpOf<MaxPoolOp> {
  PoolSettings pool;
  Activation joined_activation;
  MaxPoolOp() = default;
  MaxPoolOp(Index kernel, Index stride) : pool(kernel, stride) {}
  const char* type() const override { return "max_pool"; }
  void fields(Fields& f) override { pool.fields(f); }
  Shape shape(std::span<const Shape> in) const override { return pool.shape(in[0]); }
  Var apply(std::span<const Var> in, const StepWeights& own, Pass& pass) const override;
  Activation* activation() override { return &joined_activation; }
  Reads reads(const Pass&) const override { return {false, static_cast<bool>(joined_activation)}; }
};
struct AveragePoolOp final : OpOf<AveragePoolOp> {
  PoolSettings pool;
  AveragePoolOp() = default;
  AveragePoolOp(Index kernel, Index stride) : pool(kernel, stride) {}
  const char* type() const override { return "average_pool"; }
  void fields(Fields& f) override;
  Shape shape(std::span<const Shape> in) const override { return pool.shape(in[0]); }
  Var apply(std::span<const Var> in, const StepWeights& own, Pass& pass) const override;
  Reads reads(const Pass&) const override { return {false, false}; }
};
/// {h, w, c} -> {c}
struct GlobalAveragePoolOp final : OpOf<GlobalAveragePoolOp> {
  const char* type() const override { return "global_average_pool"; }
  Shape shape(std::span<const Shape> in) const override;
  Var apply(std::span<const Var> in, const StepWeights& own, Pass& pass) const override;
  Reads reads(const Pass&) const override { return {false, false}; }
};

/// {h, w, c} -> {c h w} in PyTorch's order (channel, row, column); features stay as they are.
struct FlattenOp final : OpOf<FlattenOp> {
  const char* type() const override { return "flatten"; }
  Shape shape(std::span<const Shape> in) const override { return {in[0].size()}; }
  Var apply(std::span<const Var> in, const StepWeights& own, Pass& pass) const override;
};

/// Sum of two or more values of one shape.
struct AddOp final : OpOf<AddOp> {
  Activation joined_activation;
  const char* type() const override { return "add"; }
  Arity arity() const override { return {2, any_number}; }
  Shape shape(std::span<const Shape> in) const override;
  Var apply(std::span<const Var> in, const StepWeights& own, Pass& pass) const override;
  Activation* activation() override { return &joined_activation; }
  Reads reads(const Pass&) const override { return {false, static_cast<bool>(joined_activation)}; }
};

/// Product of two values of one shape, or of an image {h, w, c} and one factor per channel {c}.
struct MulOp final : OpOf<MulOp> {
  const char* type() const override { return "mul"; }
  Arity arity() const override { return {2, 2}; }
  Shape shape(std::span<const Shape> in) const override;
  Var apply(std::span<const Var> in, const StepWeights& own, Pass& pass) const override;
  bool piecewise_linear(const std::vector<bool>& in) const override { return !(in[0] && in[1]); }
};
/// Values side by side along their channels (or features): {h, w, c1}, {h, w, c2} -> {h, w, c1 + c2}.
struct ConcatOp final : OpOf<ConcatOp> {
  const char* type() const override { return "concat"; }
  Arity arity() const override { return {1, any_number}; }
  Shape shape(std::span<const Shape> in) const override;
  Var apply(std::span<const Var> in, const StepWeights& own, Pass& pass) const override;
};

/// Random zeros in training; the identity otherwise. The mask is a function of the pass's key and the step's
/// name.
struct DropoutOp final : OpOf<DropoutOp> {
  double rate = 0.5;
  const char* type() const override { return "dropout"; }
  void fields(Fields& f) override;
  Shape shape(std::span<const Shape> in) const override { return in[0]; }
  Var apply(std::span<const Var> in, const StepWeights& own, Pass& pass) const override;
};

}  // namespace espalier
