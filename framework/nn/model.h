// model.h: a network that can be trained: a graph, and the store of its parameters. Passes go through the
// tape; evaluation without a tape is the engine's (infer/engine.h).
#pragma once

#include "framework/config/fields.h"
#include "framework/graph/ops.h"
#include "framework/nn/parameters.h"

namespace espalier {

/// What one step with weights costs.
struct LayerCost {
  ParameterId weight;
  Index macs;            ///< multiply-adds per example
  Shape output;          ///< of a batch of one example
  Conv2dSpec spec = {};  ///< of a convolution
};

class Model {
 public:
  /// Declares the graph's parameters in its order and draws their initial values. Throws Error(config) unless
  /// its one output has a value for each class.
  Model(Graph graph, int classes, std::uint64_t seed);
  ParameterStore& store() { return store_; }
  const ParameterStore& store() const { return store_; }
  /// As given: activations are steps of their own.
  const Graph& graph() const { return graph_; }
  const Shape& image() const { return graph_.shape(graph_.input); }
  int classes() const { return classes_; }
  /// Logits [n, classes] of images [n, h, w, c].
  Var forward(const Tensor& images, Pass& pass) const { return forward(Var(images), pass); }
  Var forward(const Var& images, Pass& pass) const;
  /// Steps with weights in the order of the forward pass.
  const std::vector<LayerCost>& costs() const { return costs_; }
  /// Examples whose largest layer output takes 1 MiB (at least 8):
  /// what a thread should have at hand at a time.
  Index examples_in_cache() const;
  /// Multiply-adds of one example, all steps.
  Index macs() const;

 private:
  /// What a step needs in every pass.
  struct Prepared {
    std::vector<Var> parameters;
    std::vector<Tensor> statistics;
    std::vector<ValueId> last_read;  // values that no later step reads
  };
  Graph graph_, joined_;  // `joined_` is what runs: ReLU is part of the step before it
  int classes_;
  ParameterStore store_;
  std::vector<Prepared> prepared_;
  std::vector<LayerCost> costs_;
};

/// Settings of one kind of model. Registered with Registry<ModelSettings>::add.
struct ModelSettings {
  virtual ~ModelSettings() = default;
  virtual void fields(Fields& f) = 0;
  /// Throws Error(config) when the images {h, w, c} do not suit it.
  virtual Graph graph(const Shape& image, int classes) const = 0;
  virtual std::unique_ptr<Model> build(const Shape& image, int classes, std::uint64_t seed) const {
    return std::make_unique<Model>(graph(image, classes), classes, seed);
  }
};

}  // namespace espalier
