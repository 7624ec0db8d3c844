// ops.h: the ops of neural networks. Images are NHWC, convolution weights OHWI, linear weights [out, in].
//
// A weight must enter its op directly, and every other input must have the examples on axis 0: that is what
// lets Partial (autograd/backward.h) run the same rule on single examples. Second derivatives of ReLU and of
// max pooling are those that hold almost everywhere (zero).
#pragma once

#include <cstdint>
#include <span>

#include "framework/autograd/var.h"
#include "framework/kernels/activation.h"
#include "framework/kernels/conv2d.h"
#include "framework/kernels/pool2d.h"

namespace espalier {

// --- activation.cpp ---
Var relu(const Var& x);
/// Any of kernels/activation.h. Those made of straight pieces have second derivatives that hold almost
/// everywhere.
Var activate(const Var& x, const Activation& f);
/// relu(a + b) in one pass.
Var add_relu(const Var& a, const Var& b);
/// x where sign > 0, else 0; no gradient flows to `sign`. ReLU's gradient rule.
Var keep_positive(const Var& x, const Var& sign);
/// x where low < at < high, else 0; no gradient flows to `at`. The gradient rule of a clip.
Var keep_within(const Var& x, const Var& at, Real low, Real high);
/// dy times the slope of hard-swish (`f`, with its alpha and beta) at x.
Var hard_swish_gradient(const Var& x, const Var& dy, const Activation& f);
/// Inverted dropout: keeps a value with probability 1 - rate and divides it by that. The mask is a function
/// of `key`.
Var dropout(const Var& x, double rate, std::uint64_t key);

// --- linear.cpp ---
/// op(a) op(b) of matrices; transposed where the flag says so.
Var matmul(const Var& a, const Var& b, bool transpose_a = false, bool transpose_b = false);
/// y[n, o] = sum_i x[n, i] w[o, i] + bias[o], then ReLU if asked (one pass over memory). `bias` may be empty.
Var linear(const Var& x, const Var& w, const Var& bias, bool with_relu = false);

// --- conv2d.cpp ---
struct Conv2dSpec {
  Extent2 stride = 1;
  Border pad = 0;
  Extent2 dilation = 1;
  Index groups = 1;
  bool relu = false;  ///< apply ReLU in the same pass
};
/// Checks shapes and gives the geometry; `name` begins the error messages.
ConvGeometry conv_geometry(const char* name, const Shape& x, const Shape& w, const Conv2dSpec& spec);
Var conv2d(const Var& x, const Var& w, const Var& bias, const Conv2dSpec& spec);
/// The two adjoints. Convolution is bilinear, so the rules of the three are one another.
Var conv2d_input_grad(const Var& dy, const Var& w, const ConvGeometry& g);
Var conv2d_weight_grad(const Var& x, const Var& dy, const ConvGeometry& g);

// --- pool2d.cpp ---
struct PoolSpec {
  Extent2 kernel, stride;
  Border pad = 0;             ///< smaller than the kernel
  bool ceil_mode = false;     ///< a last window that hangs over the far border counts too (as PyTorch has it)
  bool count_padding = true;  ///< of means
};
/// Checks shapes and gives the geometry; `name` begins the error messages.
PoolGeometry pool_geometry(const char* name, const Shape& x, const PoolSpec& spec);
Var max_pool(const Var& x, const PoolSpec& spec, bool with_relu = false);
Var average_pool(const Var& x, const PoolSpec& spec);
/// [n, h, w, c] -> [n, c]
Var global_average_pool(const Var& x);

// --- batch_norm.cpp ---
/// With given statistics: y = gamma (x - mean) / sqrt(variance + epsilon) + beta, per channel (last axis), and the
/// activation that follows: in the same pass where kernels can (`fused` in kernels/activation.h).
Var batch_norm_eval(const Var& x, const Var& gamma, const Var& beta, const Tensor& mean,
                    const Tensor& variance, double epsilon, const Activation& after = {});
/// With the statistics of the batch, which are also returned (biased variance). Couples the examples.
struct BatchMoments {
  Tensor mean, variance;
};
Var batch_norm_train(const Var& x, const Var& gamma, const Var& beta, double epsilon, BatchMoments& moments,
                     const Activation& after = {});

// --- concat.cpp ---
/// Values [.., c_i] side by side along their last axis.
Var concat(std::span<const Var> parts);
/// Channels [begin, begin + count) of the last axis; widen is its adjoint: zeros around them up to `total`.
Var narrow(const Var& x, Index begin, Index count);
Var widen(const Var& x, Index begin, Index total);
/// x[n, h, w, c] * factor[n, c]: one factor per example and channel.
Var multiply_channels(const Var& x, const Var& factor);

// --- reshape.cpp ---
/// [n, h, w, c] -> [n, c*h*w] in PyTorch's order (channel, row, column), so that the columns of the linear
/// layer that follows mean the same as there. unflatten is its adjoint.
Var flatten(const Var& x);
Var unflatten(const Var& x, const Shape& image);

// --- loss.cpp ---
/// Per-example losses [n] of logits [n, k]: -sum_k t_k log softmax_k,
/// t = (1 - smoothing) one-hot + smoothing / k.
Var cross_entropy(const Var& logits, std::span<const std::int32_t> labels, double smoothing = 0);
Var softmax(const Var& logits);

}  // namespace espalier
