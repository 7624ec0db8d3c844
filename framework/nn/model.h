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
  Var forward(const Var& images, Pass& pass) const {
    return run({0, static_cast<Index>(joined_.steps.size())}, images, pass);
  }
  /// As it runs: activations that kernels apply in the same pass are part of the step before them.
  const Graph& running() const { return joined_; }
  /// The one value that steps from `step` on read of those before (or the output, at the end); -1 if there are several.
  ValueId alive_before(Index step) const { return alive_before_[step]; }
  /// Some steps of running(), where one value alone is alive before them; returns the output of the last of them.
  Var run(Range steps, const Var& from, Pass& pass) const;
  /// Whether a value of running() stays in memory until the reverse pass: some gradient rule reads it.
  bool is_kept(ValueId id, bool training) const { return kept_[training ? 1 : 0][id]; }
  /// Steps with weights in the order of the forward pass.
  const std::vector<LayerCost>& costs() const { return costs_; }
  /// Values of one example that a recorded pass through some steps of running() leaves in memory: outputs that are kept,
  /// and the winners of maxima.
  Index recorded_values(Range steps, bool training) const;
  Index recorded_values(bool training) const {
    return recorded_values({0, static_cast<Index>(joined_.steps.size())}, training);
  }
  /// Examples whose largest layer output takes 1 MiB (at least 8, unless what a recorded pass keeps of so many takes more
  /// than 256 MiB): what a thread should have at hand at a time.
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
  std::vector<ValueId> alive_before_;
  std::vector<bool> kept_[2];  // by value; in evaluation, in training
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
