// batch_norm.cpp: Ioffe & Szegedy 2015. In evaluation mode an affine map per channel; in training mode it
// couples the examples of the batch.
#include "framework/kernels/batch_norm.h"

#include <cmath>
#include <limits>

#include "framework/autograd/arithmetic.h"
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

/// y = x factor + shift = gamma (x - mean) inv + beta.
struct Affine {
  Tensor factor, shift;
  Affine(const Tensor& gamma, const Tensor& beta, const Tensor& mean, const Tensor& inv)
      : factor(Tensor::uninitialized(gamma.shape())), shift(Tensor::uninitialized(gamma.shape())) {
    for (Index c = 0; c < gamma.size(); ++c) {
      factor.data()[c] = gamma.data()[c] * inv.data()[c];
      shift.data()[c] = beta.data()[c] - mean.data()[c] * factor.data()[c];
    }
  }
  Tensor apply(const Var& x, const kernels::Finish& finish) const {
    Tensor y = Tensor::uninitialized(x.shape());
    kernels::channel_affine(rows_of(x.shape()), channels_of(x.shape()), x.value().data(), factor.data(),
                            shift.data(), nullptr, finish, y.data());
    return y;
  }
};

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

/// What arrives before an activation from dy behind it, of the two that show in their output.
Var before_activation(const Activation& f, const Var& out, const Var& dy) {
  if (f.kind == Activation::Kind::relu) return keep_positive(dy, Var(out.value()));
  if (f.kind == Activation::Kind::clip)
    return keep_within(dy, Var(out.value()), static_cast<Real>(f.alpha), static_cast<Real>(f.beta));
  return dy;
}

/// The rules of training mode, with the activation that follows if there is one.
struct BatchNormTrain {
  double epsilon;
  Activation after;
  Tensor mean, inv;
  Affine affine;

  kernels::BatchNormChannels channels(const Inputs& in) const {
    return {in[1].value().data(),
            mean.data(),
            inv.data(),
            after ? affine.factor.data() : nullptr,
            after ? affine.shift.data() : nullptr,
            *fused(after)};
  }
  /// mean_r(dy) and mean_r(dy x_hat), without building x_hat. The three rules ask for the same one after the
  /// other; the last answer is kept, with its dy so that the address can't be another's.
  struct Means {
    Tensor dy, of_dy, of_dy_xhat;
  };
  std::shared_ptr<Means> kept = std::allocate_shared<Means>(PoolAllocator<Means>());
  const Means& means(const Inputs& in, const Var& dy) const {
    if (kept->dy.empty() || kept->dy.data() != dy.value().data()) {
      const Index c = channels_of(dy.shape());
      *kept = {dy.value(), Tensor::uninitialized({c}), Tensor::uninitialized({c})};
      kernels::batch_norm_means(rows_of(dy.shape()), c, in[0].value().data(), dy.value().data(), channels(in),
                                kept->of_dy.data(), kept->of_dy_xhat.data());
    }
    return *kept;
  }
  /// dy before the activation, as a differentiable function of x where it is one.
  Var masked(const Inputs& in, const Var& out, const Var& dy) const {
    if (after.kind != Activation::Kind::hard_swish)
      return before_activation(after, out.value().empty() ? Var(affine.apply(in[0], *fused(after))) : out, dy);
    Var deviation;
    const Var z = channel_affine(standardise_by_batch(in[0], epsilon, deviation), in[1], in[2]);
    return hard_swish_gradient(z, dy, after);
  }

  Var dx(const Inputs& in, const Var& out, const Var& dy) const {
    const Var& x = in[0];
    if (recording()) {
      const Var dz = masked(in, out, dy);
      Var deviation;
      const Var x_hat = standardise_by_batch(x, epsilon, deviation);
      const Real per_row = Real(1) / static_cast<Real>(rows_of(x.shape()));
      const Var mean_dy = scale(sum_to_channels(dz), per_row);
      const Var mean_dy_xhat = scale(sum_to_channels(multiply(dz, x_hat)), per_row);
      const Var inner = subtract(subtract(dz, spread_channels(mean_dy, x.shape())),
                                 channel_affine(x_hat, mean_dy_xhat, Var()));
      return channel_affine(inner, multiply(in[1], deviation), Var());
    }
    const Means& m = means(in, dy);
    Tensor dx = Tensor::uninitialized(x.shape());
    kernels::batch_norm_input_grad(rows_of(x.shape()), channels_of(x.shape()), x.value().data(),
                                   dy.value().data(), channels(in), m.of_dy.data(), m.of_dy_xhat.data(),
                                   dx.data());
    return Var(std::move(dx));
  }
  Var dgamma(const Inputs& in, const Var& out, const Var& dy) const {
    if (recording()) {
      Var deviation;
      return sum_to_channels(multiply(masked(in, out, dy), standardise_by_batch(in[0], epsilon, deviation)));
    }
    return scale(Var(means(in, dy).of_dy_xhat), static_cast<Real>(rows_of(dy.shape())));
  }
  Var dbeta(const Inputs& in, const Var& out, const Var& dy) const {
    if (recording()) return sum_to_channels(masked(in, out, dy));
    return scale(Var(means(in, dy).of_dy), static_cast<Real>(rows_of(dy.shape())));
  }
};

/// The rules of evaluation mode: an affine map per channel, and the ReLU or clip that follows if there is one.
struct BatchNormEval {
  Activation after;
  Tensor mean, inv;

  Var masked(const Var& out, const Var& dy) const { return before_activation(after, out, dy); }
  Var dx(const Inputs& in, const Var& out, const Var& dy) const {
    const Var factor = multiply(in[1], Var(inv));
    if (recording() || !after) return channel_affine(masked(out, dy), factor, Var());
    const bool relu = after.kind == Activation::Kind::relu;
    const Real low = relu ? Real(0) : static_cast<Real>(after.alpha),
               high = relu ? std::numeric_limits<Real>::infinity() : static_cast<Real>(after.beta);
    Tensor dx = Tensor::uninitialized(dy.shape());
    kernels::channel_scale_within(rows_of(dy.shape()), channels_of(dy.shape()), low, high, dy.value().data(),
                                  out.value().data(), factor.value().data(), dx.data());
    return Var(std::move(dx));
  }
  Var dgamma(const Inputs& in, const Var& out, const Var& dy) const {
    return sum_to_channels(multiply(masked(out, dy), standardise(in[0], mean, inv)));
  }
};

}  // namespace

Var batch_norm_eval(const Var& x, const Var& gamma, const Var& beta, const Tensor& mean,
                    const Tensor& variance, double epsilon, const Activation& after) {
  check("batch_norm_eval", x, gamma, beta);
  require(mean.shape() == gamma.shape() && variance.shape() == gamma.shape(),
          "[batch_norm_eval] input {} needs statistics of shape {}, got {} and {}", x.shape(), gamma.shape(),
          mean.shape(), variance.shape());
  // A copy: running statistics may be updated before the reverse pass.
  const bool shows = after.kind == Activation::Kind::relu || after.kind == Activation::Kind::clip;
  const BatchNormEval rule{shows ? after : Activation(), mean.clone(), inverse_deviation(variance, epsilon)};
  Tensor y = Affine(gamma.value(), beta.value(), rule.mean, rule.inv).apply(x, *fused(rule.after));
  const Var z = record(
      "batch_norm_eval", {x, gamma, beta}, std::move(y),
      [rule](const Inputs& in, const Var& out, const Var& dy) { return rule.dx(in, out, dy); },
      [rule](const Inputs& in, const Var& out, const Var& dy) { return rule.dgamma(in, out, dy); },
      [rule](const Inputs&, const Var& out, const Var& dy) { return sum_to_channels(rule.masked(out, dy)); });
  return shows ? z : activate(z, after);
}

Var batch_norm_train(const Var& x, const Var& gamma, const Var& beta, double epsilon, BatchMoments& moments,
                     const Activation& after) {
  check("batch_norm_train", x, gamma, beta);
  const Index rows = rows_of(x.shape()), channels = channels_of(x.shape());
  require(rows > 1, "[batch_norm_train] one value per channel has no variance: input {}", x.shape());
  moments.mean = Tensor::uninitialized({channels});
  moments.variance = Tensor::uninitialized({channels});
  kernels::channel_moments(rows, channels, x.value().data(), moments.mean.data(), moments.variance.data());
  const Tensor inv = inverse_deviation(moments.variance, epsilon);
  const bool same_pass = fused(after).has_value();
  const BatchNormTrain rule{epsilon, same_pass ? after : Activation(), moments.mean, inv,
                            Affine(gamma.value(), beta.value(), moments.mean, inv)};
  const Var z = record(
      "batch_norm_train", {x, gamma, beta}, rule.affine.apply(x, *fused(rule.after)), Coupling::coupled,
      [rule](const Inputs& in, const Var& out, const Var& dy) { return rule.dx(in, out, dy); },
      [rule](const Inputs& in, const Var& out, const Var& dy) { return rule.dgamma(in, out, dy); },
      [rule](const Inputs& in, const Var& out, const Var& dy) { return rule.dbeta(in, out, dy); });
  return same_pass ? z : activate(z, after);
}

}  // namespace espalier
