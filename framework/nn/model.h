// model.h: a network with its parameters, as built from the "model" section of a config.
#pragma once

#include "framework/config/fields.h"
#include "framework/nn/module.h"

namespace espalier {

class Model {
 public:
  /// Shape of one image {h, w, c}; `build` declares parameters in the scope given
  /// and returns the root module.
  template <class Build>
  Model(const Shape& image, int classes, std::uint64_t seed, Build build) : image_(image), classes_(classes) {
    root_ = build(Scope{store_, ""});
    store_.allocate(seed);
    trace();
  }
  ParameterStore& store() { return store_; }
  const ParameterStore& store() const { return store_; }
  const Shape& image() const { return image_; }
  int classes() const { return classes_; }
  /// Logits [n, classes] of images [n, h, w, c].
  Var forward(const Tensor& images, Pass& pass) const { return forward(Var(images), pass); }
  /// In evaluation without a graph the batch goes through all layers in parts that stay in the caches, each
  /// on one thread: the same bits in less time.
  Var forward(const Var& images, Pass& pass) const;
  /// Layers with weights in the order of the forward pass.
  const std::vector<LayerCost>& costs() const { return costs_; }
  /// Examples whose largest layer output takes 1 MiB (at least 8):
  /// what a thread should have at hand at a time.
  Index examples_in_cache() const;
  /// Multiply-adds of one example, all layers.
  Index macs() const;

 private:
  void trace();  // one empty image through the network: checks every shape, records costs
  Shape image_;
  int classes_;
  ParameterStore store_;
  ModulePtr root_;
  std::vector<LayerCost> costs_;
};

/// Settings of one kind of model. `build` throws Error(config) when the images do not suit it. Registered
/// with Registry<ModelSettings>::add.
struct ModelSettings {
  virtual ~ModelSettings() = default;
  virtual void fields(Fields& f) = 0;
  virtual std::unique_ptr<Model> build(const Shape& image, int classes, std::uint64_t seed) const = 0;
};

}  // namespace espalier
