// step_kernel.h: how one step of a graph is computed without a tape. The engine asks for a kernel per step
// when it is made; other ways of computing a step (sparse weights, other number formats) are other kernels.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "framework/graph/graph.h"
#include "framework/graph/weights.h"

namespace espalier {

/// What a step works on: contiguous values of `examples` examples each.
struct StepData {
  Index examples;
  std::span<const Real* const> inputs;
  Real* output;
};

struct StepKernel {
  virtual ~StepKernel() = default;
  /// Called from several threads at once, mostly inside a chunk of a parallel loop; a kernel may cut its work
  /// with parallel_for, which does so where threads are free (few examples). Must not allocate but from the
  /// pool.
  virtual void run(const StepData& data) const = 0;
  /// Whether `output` may be the memory of the first input.
  virtual bool in_place() const { return false; }
  /// Examples that are computed together: batches are cut into parts of as many, or multiples.
  virtual Index together() const { return 1; }
  /// For tables: "winograd", "sparse".
  virtual std::string name() const = 0;
};

/// A kernel for the step, with all that it needs of the weights prepared, or null to leave it to the next
/// maker.
using KernelMaker =
    std::function<std::unique_ptr<StepKernel>(const Graph& graph, const Step& step, const Weights& weights)>;

/// The dense kernels: there is one for every op, by its autograd function if by nothing else.
std::unique_ptr<StepKernel> dense_kernel(const Graph& graph, const Step& step, const Weights& weights);

}  // namespace espalier
