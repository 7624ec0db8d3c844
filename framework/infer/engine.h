// engine.h: runs a graph without a tape. What depends on the weights alone is done once, when the engine is
// made: batch norm folded into the layer before, activations joined, weights put in the order in which the
// kernels read them, memory planned. Any change of weights needs a new engine. Results do not depend on how a
// batch is cut.
#pragma once

#include <memory>
#include <vector>

#include "framework/core/tensor.h"
#include "framework/graph/graph.h"
#include "framework/graph/weights.h"
#include "framework/infer/buffers.h"
#include "framework/infer/step_kernel.h"

namespace espalier {

struct PlanOptions {
  std::vector<KernelMaker> kernels;  ///< asked in order for each step; dense_kernel() is asked last
};

class Engine {
 public:
  Engine(const Graph& graph, const Weights& weights, const PlanOptions& options = {});
  /// Outputs [n, ..] of inputs [n, ..], one tensor for each output of the graph, in their order. Batches that
  /// are large enough are cut into parts that stay in the caches and run beside each other; a smaller one is
  /// cut within the steps. Safe to call from several threads.
  void run(const Tensor& input, std::span<Tensor> outputs) const;
  /// Of a graph with one output.
  void run(const Tensor& input, Tensor& output) const { run(input, std::span(&output, 1)); }
  Tensor operator()(const Tensor& input) const;

  /// The graph as it runs: folded, joined, without identities.
  const Graph& graph() const { return graph_; }
  const StepKernel& kernel(std::size_t step) const { return *kernels_[step]; }
  const BufferPlan& buffers() const { return buffers_; }

 private:
  void run_part(Range examples, const Tensor& input, std::span<Tensor> outputs) const;
  Index examples_per_part(Index n) const;
  Graph graph_;
  std::vector<std::unique_ptr<StepKernel>> kernels_;
  BufferPlan buffers_;
  Index macs_ = 0, largest_ = 0;  // of one example: multiply-adds; values of the largest step
  Index weights_ = 0;             // values of all parameters
  Index most_inputs_ = 0;         // of a step
  Index together_ = 1;            // examples that some kernel computes together
};

}  // namespace espalier
