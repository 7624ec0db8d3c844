#include "framework/nn/layers.h"

#include <cmath>

#include "framework/autograd/arithmetic.h"
#include "framework/nn/init.h"

namespace espalier {

Sequential& Sequential::add(ModulePtr module) {
  const bool is_relu = dynamic_cast<Relu*>(module.get()) != nullptr;
  auto* conv = modules_.empty() ? nullptr : dynamic_cast<Conv2d*>(modules_.back().get());
  if (conv && dynamic_cast<BatchNorm*>(module.get())) {
    std::unique_ptr<BatchNorm> norm(static_cast<BatchNorm*>(module.release()));
    if (!conv->absorb_norm(norm)) modules_.push_back(std::move(norm));
  } else if (!is_relu || modules_.empty() || !modules_.back()->absorb_relu())
    modules_.push_back(std::move(module));
  return *this;
}

Var Sequential::forward(const Var& x, Pass& pass) const {
  Var y = x;
  for (const ModulePtr& module : modules_) y = module->forward(y, pass);
  return y;
}

Conv2d::Conv2d(const Scope& scope, const Conv2dOptions& o)
    : store_(scope.store), spec_{o.stride, o.pad, o.dilation, o.groups, false} {
  if (o.groups <= 0 || o.in % o.groups != 0 || o.out % o.groups != 0)
    fail(ExitCode::config, "model: {} has {} groups, which must divide its {} inputs and {} outputs",
         scope.prefix, o.groups, o.in, o.out);
  const Shape shape{o.out, o.kernel, o.kernel, o.in / o.groups};
  weight_ = scope.store.declare(scope.name("weight"), shape, Role::weight, he_normal(shape.example_size()));
  if (o.bias) bias_ = scope.store.declare(scope.name("bias"), {o.out}, Role::bias, constant(0));
}

Var Conv2d::forward(const Var& x, Pass& pass) const {
  const Var &w = store_.var(weight_), bias = bias_ < 0 ? Var() : store_.var(bias_);
  const bool fold = norm_ && !pass.training && !recording();
  Var y;
  if (fold) {
    Conv2dSpec spec = spec_;
    spec.relu = norm_->relu();
    const BatchNorm::Folded folded = norm_->fold(w.value(), bias);
    y = conv2d(x, Var(folded.weight), Var(folded.bias), spec);
  } else {
    y = conv2d(x, w, bias, spec_);
  }
  if (pass.costs)
    pass.costs->push_back({weight_, conv_geometry("conv2d", x.shape(), w.shape(), spec_).macs(),
                           y.shape().with_examples(1), spec_});
  return norm_ && !fold ? norm_->forward(y, pass) : y;
}

bool Conv2d::absorb_norm(std::unique_ptr<BatchNorm>& norm) {
  const bool possible = !norm_ && !spec_.relu && norm->channels() == store_.infos()[weight_].shape[0];
  if (possible) norm_ = std::move(norm);
  return possible;
}

Linear::Linear(const Scope& scope, const LinearOptions& o) : store_(scope.store) {
  const Initializer init = o.init == Init::he ? he_normal(o.in) : glorot_uniform(o.in, o.out);
  weight_ = scope.store.declare(scope.name("weight"), {o.out, o.in}, Role::weight, init);
  if (o.bias) bias_ = scope.store.declare(scope.name("bias"), {o.out}, Role::bias, constant(0));
}

Var Linear::forward(const Var& x, Pass& pass) const {
  const Var &w = store_.var(weight_), bias = bias_ < 0 ? Var() : store_.var(bias_);
  const bool reuse = pass.packed && !recording();
  Var y = linear(x, w, bias, relu_, reuse ? &pass.packed->linear(weight_, w, bias) : nullptr);
  if (pass.costs) pass.costs->push_back({weight_, w.shape().size(), y.shape().with_examples(1), {}});
  return y;
}

BatchNorm::BatchNorm(const Scope& scope, Index channels, double epsilon)
    : store_(scope.store), channels_(channels), epsilon_(epsilon) {
  gamma_ = scope.store.declare(scope.name("weight"), {channels}, Role::norm_scale, constant(1));
  beta_ = scope.store.declare(scope.name("bias"), {channels}, Role::norm_shift, constant(0));
  mean_ = scope.store.declare_statistic(scope.name("running_mean"), channels, 0);
  variance_ = scope.store.declare_statistic(scope.name("running_var"), channels, 1);
}

Var BatchNorm::forward(const Var& x, Pass& pass) const {
  Tensor mean = store_.statistic(mean_), variance = store_.statistic(variance_);
  if (!pass.training)
    return batch_norm_eval(x, store_.var(gamma_), store_.var(beta_), mean, variance, epsilon_, relu_);
  if (x.shape().size() == x.shape()[-1])
    fail(ExitCode::config,
         "model: {} gets one value per channel, which has no variance: a batch of one example, of shape {}. "
         "Set "
         "train.batch_size (or prune.recalibration_examples, data.train_limit) so that no batch has one "
         "example",
         store_.infos()[gamma_].name, x.shape());
  BatchMoments batch;
  Var y = batch_norm_train(x, store_.var(gamma_), store_.var(beta_), epsilon_, batch, relu_);
  const Index pixels = x.shape().size() / x.shape()[-1];
  const auto rows = static_cast<double>(pixels);
  const auto share = static_cast<Real>(pass.statistics_momentum);
  const auto unbiased = static_cast<Real>(rows / (rows - 1));
  for (Index c = 0; c < mean.size(); ++c) {
    mean.data()[c] += share * (batch.mean.data()[c] - mean.data()[c]);
    variance.data()[c] += share * (batch.variance.data()[c] * unbiased - variance.data()[c]);
  }
  return y;
}

BatchNorm::Folded BatchNorm::fold(const Tensor& weight, const Var& bias) const {
  const Tensor mean = store_.statistic(mean_), variance = store_.statistic(variance_);
  const Tensor &gamma = store_.var(gamma_).value(), &beta = store_.var(beta_).value();
  Folded folded{Tensor::uninitialized(weight.shape()), Tensor::uninitialized(gamma.shape())};
  const Index per_channel = weight.shape().example_size();
  for (Index c = 0; c < gamma.size(); ++c) {
    const double deviation = std::sqrt(static_cast<double>(variance.data()[c]) + epsilon_);
    const auto factor = static_cast<Real>(static_cast<double>(gamma.data()[c]) / deviation);
    const Real before = bias.empty() ? Real(0) : bias.value().data()[c];
    folded.bias.data()[c] = beta.data()[c] + (before - mean.data()[c]) * factor;
    for (Index k = c * per_channel; k < (c + 1) * per_channel; ++k)
      folded.weight.data()[k] = factor * weight.data()[k];
  }
  return folded;
}

Var Residual::forward(const Var& x, Pass& pass) const {
  const Var y = body_->forward(x, pass);
  return add_relu(y, shortcut_ ? shortcut_->forward(x, pass) : x);
}

}  // namespace espalier
