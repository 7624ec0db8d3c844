// layers.h: the layers networks are made of.
#pragma once

#include "framework/nn/module.h"
#include "framework/ops/ops.h"

namespace espalier {

/// Layers that end in ReLU draw He weights, the last layer of a classifier Glorot.
enum class Init { he, glorot };

class BatchNorm final : public Module {
 public:
  BatchNorm(const Scope& scope, Index channels, double epsilon = 1e-5);
  /// In training, moves the running statistics: the mean, and the unbiased variance as PyTorch does.
  Var forward(const Var& x, Pass& pass) const override;
  bool absorb_relu() override { return std::exchange(relu_, true) == false; }
  /// Weight [out, ..] and bias of the layer before it (which may be empty) such that it does this layer's
  /// work too, with the running statistics.
  struct Folded {
    Tensor weight, bias;
  };
  Folded fold(const Tensor& weight, const Var& bias) const;
  Index channels() const { return channels_; }
  bool relu() const { return relu_; }

 private:
  ParameterStore& store_;
  Index channels_;
  double epsilon_;
  bool relu_ = false;
  ParameterId gamma_, beta_;
  StatisticId mean_, variance_;
};

struct Conv2dOptions {
  Index in, out, kernel;
  Index stride = 1, pad = 0, dilation = 1, groups = 1;
  bool bias = true;
};
class Conv2d final : public Module {
 public:
  Conv2d(const Scope& scope, const Conv2dOptions& options);
  Var forward(const Var& x, Pass& pass) const override;
  bool absorb_relu() override {
    return norm_ ? norm_->absorb_relu() : std::exchange(spec_.relu, true) == false;
  }
  /// Takes over a batch norm that follows. In evaluation without a graph its map goes into weight and bias.
  bool absorb_norm(std::unique_ptr<BatchNorm>& norm);

 private:
  const ParameterStore& store_;
  Conv2dSpec spec_;
  ParameterId weight_, bias_ = -1;
  std::unique_ptr<BatchNorm> norm_;
};

struct LinearOptions {
  Index in, out;
  bool bias = true;
  Init init = Init::he;
};
class Linear final : public Module {
 public:
  Linear(const Scope& scope, const LinearOptions& options);
  Var forward(const Var& x, Pass& pass) const override;
  bool absorb_relu() override { return std::exchange(relu_, true) == false; }

 private:
  const ParameterStore& store_;
  bool relu_ = false;
  ParameterId weight_, bias_ = -1;
};

class Relu final : public Module {
 public:
  Var forward(const Var& x, Pass&) const override { return relu(x); }
  bool absorb_relu() override { return true; }  // idempotent
};

class MaxPool final : public Module {
 public:
  MaxPool(Index kernel, Index stride) : kernel_(kernel), stride_(stride) {}
  Var forward(const Var& x, Pass&) const override { return max_pool(x, kernel_, stride_, relu_); }
  bool absorb_relu() override { return std::exchange(relu_, true) == false; }

 private:
  Index kernel_, stride_;
  bool relu_ = false;
};

class AveragePool final : public Module {
 public:
  AveragePool(Index kernel, Index stride) : kernel_(kernel), stride_(stride) {}
  Var forward(const Var& x, Pass&) const override { return average_pool(x, kernel_, stride_); }

 private:
  Index kernel_, stride_;
};

class GlobalAveragePool final : public Module {
 public:
  Var forward(const Var& x, Pass&) const override { return global_average_pool(x); }
};

class Flatten final : public Module {
 public:
  Var forward(const Var& x, Pass&) const override { return x.shape().rank() == 2 ? x : flatten(x); }
};

class Dropout final : public Module {
 public:
  /// `layer` tells the masks of several dropout layers apart.
  Dropout(double rate, std::uint64_t layer) : rate_(rate), layer_(layer) {}
  Var forward(const Var& x, Pass& pass) const override {
    return pass.training ? dropout(x, rate_, Random(pass.dropout_key, Random::Use::dropout, {layer_}).next())
                         : x;
  }

 private:
  double rate_;
  std::uint64_t layer_;
};

/// relu(body(x) + shortcut(x)); an empty shortcut is the identity.
class Residual final : public Module {
 public:
  Residual(ModulePtr body, ModulePtr shortcut) : body_(std::move(body)), shortcut_(std::move(shortcut)) {}
  Var forward(const Var& x, Pass& pass) const override;
  bool absorb_relu() override { return true; }  // ends in one already

 private:
  ModulePtr body_, shortcut_;
};

}  // namespace espalier
