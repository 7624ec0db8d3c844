// batch_norm.cpp: Ioffe & Szegedy 2015. In evaluation mode an affine map per channel; in training mode it
// couples the examples of the batch.
#include "framework/kernels/batch_norm.h"

#include <cmath>

#include "framework/autograd/arithmetic.h"
#include "framework/ops/fused_relu.h"
#include "framework/ops/ops.h"

namespace espalier {
namespace {

Index channels_of(const Shape& s) { return s[-1]; }
Index rows_of(const Shape& s) { return s.size() / s[-1]; }

void check(const char* op, const Var& x, const Var& gamma, const Var& beta) {
  const Shape per_channel{channels_of(x.shape())};
  require(gamma.shape() == per_channel && beta.shape() == per_channel,
          "[{}] input {} needs gamma and beta of shape {}, got {} and {}", op, x.shape(), per_channel,
          gamma.shape(), beta.shape());
}

Tensor inverse_deviation(const Tensor& variance, double epsilon) {
  Tensor inv = Tensor::uninitialized(variance.shape());
  for (Index c = 0; c < inv.size(); ++c)
    inv.data()[c] = static_cast<Real>(1 / std::sqrt(static_cast<double>(variance.data()[c]) + epsilon));
  return inv;
}

/// y = gamma (x - mean) inv + beta, optionally rectified.
Tensor normalise(const Var& x, const Tensor& gamma, const Tensor& beta, const Tensor& mean, const Tensor& inv,
                 bool relu) {
  Tensor factor = Tensor::uninitialized(gamma.shape()), shift = Tensor::uninitialized(gamma.shape());
  for (Index c = 0; c < gamma.size(); ++c) {
    factor.data()[c] = gamma.data()[c] * inv.data()[c];
    shift.data()[c] = beta.data()[c] - mean.data()[c] * factor.data()[c];
  }
  Tensor y = Tensor::uninitialized(x.shape());
  kernels::channel_affine(rows_of(x.shape()), channels_of(x.shape()), x.value().data(), factor.data(),
                          shift.data(), nullptr, relu, y.data());
  return y;
}

/// x_hat = (x - mean) inv with constant statistics.
Var standardise(const Var& x, const Tensor& mean, const Tensor& inv) {
  return channel_affine(x, Var(inv), scale(multiply(Var(mean), Var(inv)), -1));
}

// The statistics as differentiable functions of x: second derivatives go through them.
Var standardise_by_batch(const Var& x, double epsilon, Var& inv) {
  const Real per_row = Real(1) / static_cast<Real>(rows_of(x.shape()));
  const Var centred = subtract(x, spread_channels(scale(sum_to_channels(x), per_row), x.shape()));
  const Var variance = scale(sum_to_channels(multiply(centred, centred)), per_row);
  inv = reciprocal_sqrt(add(variance, Var(Tensor::full(variance.shape(), static_cast<Real>(epsilon)))));
  return channel_affine(centred, inv, Var());
}

struct BatchNormTrain {
  double epsilon;
  Tensor mean, inv;

  /// mean_r(dy) and mean_r(dy x_hat) of each channel, without building x_hat.
  void mean_products(const Var& x, const Var& dy, Tensor& mean_dy, Tensor& mean_dy_xhat) const {
    const Index rows = rows_of(x.shape()), c = channels_of(x.shape());
    mean_dy = Tensor::uninitialized({c});
    mean_dy_xhat = Tensor::uninitialized({c});
    kernels::channel_sums(rows, c, dy.value().data(), x.value().data(), mean_dy.data(), mean_dy_xhat.data());
    const Real per_row = Real(1) / static_cast<Real>(rows);
    for (Index i = 0; i < c; ++i) {
      mean_dy_xhat.data()[i] =
          (mean_dy_xhat.data()[i] - mean.data()[i] * mean_dy.data()[i]) * inv.data()[i] * per_row;
      mean_dy.data()[i] *= per_row;
    }
  }
  Var dx(const Inputs& in, const Var& dy) const {
    const Var& x = in[0];
    if (recording()) {
      Var deviation;
      const Var x_hat = standardise_by_batch(x, epsilon, deviation);
      const Real per_row = Real(1) / static_cast<Real>(rows_of(x.shape()));
      const Var mean_dy = scale(sum_to_channels(dy), per_row);
      const Var mean_dy_xhat = scale(sum_to_channels(multiply(dy, x_hat)), per_row);
      const Var inner = subtract(subtract(dy, spread_channels(mean_dy, x.shape())),
                                 channel_affine(x_hat, mean_dy_xhat, Var()));
      return channel_affine(inner, multiply(in[1], deviation), Var());
    }
    Tensor mean_dy, mean_dy_xhat, dx = Tensor::uninitialized(x.shape());
    mean_products(x, dy, mean_dy, mean_dy_xhat);
    kernels::batch_norm_input_grad(rows_of(x.shape()), channels_of(x.shape()), x.value().data(),
                                   dy.value().data(), in[1].value().data(), mean.data(), inv.data(),
                                   mean_dy.data(), mean_dy_xhat.data(), dx.data());
    return Var(std::move(dx));
  }
  Var dgamma(const Inputs& in, const Var& dy) const {
    if (recording()) {
      Var deviation;
      return sum_to_channels(multiply(dy, standardise_by_batch(in[0], epsilon, deviation)));
    }
    Tensor mean_dy, mean_dy_xhat;
    mean_products(in[0], dy, mean_dy, mean_dy_xhat);
    return scale(Var(std::move(mean_dy_xhat)), static_cast<Real>(rows_of(in[0].shape())));
  }
};

}  // namespace

Var batch_norm_eval(const Var& x, const Var& gamma, const Var& beta, const Tensor& mean,
                    const Tensor& variance, double epsilon, bool with_relu) {
  check("batch_norm_eval", x, gamma, beta);
  require(mean.shape() == gamma.shape() && variance.shape() == gamma.shape(),
          "[batch_norm_eval] input {} needs statistics of shape {}, got {} and {}", x.shape(), gamma.shape(),
          mean.shape(), variance.shape());
  const Tensor inv = inverse_deviation(variance, epsilon);
  const Tensor mean_now = mean.clone();  // running statistics may be updated before the reverse pass
  Tensor y = normalise(x, gamma.value(), beta.value(), mean_now, inv, with_relu);
  const Var z = record(
      "batch_norm_eval", {x, gamma, beta}, std::move(y),
      [inv](const Inputs& in, const Var&, const Var& dy) {
        return channel_affine(dy, multiply(in[1], Var(inv)), Var());
      },
      [inv, mean_now](const Inputs& in, const Var&, const Var& dy) {
        return sum_to_channels(multiply(dy, standardise(in[0], mean_now, inv)));
      },
      [](const Inputs&, const Var&, const Var& dy) { return sum_to_channels(dy); });
  return with_relu ? already_rectified(z) : z;
}

Var batch_norm_train(const Var& x, const Var& gamma, const Var& beta, double epsilon, BatchMoments& moments,
                     bool with_relu) {
  check("batch_norm_train", x, gamma, beta);
  const Index rows = rows_of(x.shape()), channels = channels_of(x.shape());
  require(rows > 1, "[batch_norm_train] one value per channel has no variance: input {}", x.shape());
  moments.mean = Tensor::uninitialized({channels});
  moments.variance = Tensor::uninitialized({channels});
  kernels::channel_moments(rows, channels, x.value().data(), moments.mean.data(), moments.variance.data());
  const BatchNormTrain rule{epsilon, moments.mean, inverse_deviation(moments.variance, epsilon)};
  Tensor y = normalise(x, gamma.value(), beta.value(), rule.mean, rule.inv, with_relu);
  const Var z = record(
      "batch_norm_train", {x, gamma, beta}, std::move(y), Examples::coupled,
      [rule](const Inputs& in, const Var&, const Var& dy) { return rule.dx(in, dy); },
      [rule](const Inputs& in, const Var&, const Var& dy) { return rule.dgamma(in, dy); },
      [](const Inputs&, const Var&, const Var& dy) { return sum_to_channels(dy); });
  return with_relu ? already_rectified(z) : z;
}

}  // namespace espalier
