// model.h: a network that can be trained: a graph, and the store of its parameters. Passes go through the
// tape; evaluation without a tape is the engine's (infer/engine.h).
#pragma once

#include "framework/config/fields.h"
#include "framework/graph/head.h"
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
  /// Factors of the learning rate, one for each parameter; 0 freezes it. Training passes take frozen parameters for
  /// constants, whose gradients nobody computes; batch norm of which scale and shift are frozen runs in them as in
  /// evaluation and keeps its statistics, as in Keras and in torchvision's FrozenBatchNorm2d.
  void set_rates(const std::vector<double>& factors);

 private:
  /// What a step needs in every pass.
  struct Prepared {
    std::vector<Var> parameters;
    std::vector<Tensor> statistics;
    std::vector<ValueId> last_read;  // values that no later step reads
    std::vector<Var> trained;        // the parameters as a training pass sees them: frozen ones are constants
    bool frozen = false;             // all of them
  };
  Graph graph_, joined_;  // `joined_` is what runs: ReLU is part of the step before it
  int classes_;
  ParameterStore store_;
  std::vector<Prepared> prepared_;
  std::vector<LayerCost> costs_;
};

/// The last layer with weights, if it has one row for each class; else -1.
ParameterId classifier(const Model& model);

/// Settings of one kind of model. Registered with Registry<ModelSettings>::add.
struct ModelSettings {
  virtual ~ModelSettings() = default;
  virtual void fields(Fields& f) = 0;
  /// Throws Error(config) when the images {h, w, c} do not suit it.
  virtual Graph graph(const Shape& image, int classes) const = 0;
  /// `new_head`: with a fresh classifier for `classes`, whatever the network's own has (graph/head.h).
  virtual std::unique_ptr<Model> build(const Shape& image, int classes, std::uint64_t seed,
                                       bool new_head = false) const {
    Graph own = graph(image, classes);
    return std::make_unique<Model>(new_head ? with_new_head(own, classes) : std::move(own), classes, seed);
  }
};

}  // namespace espalier
