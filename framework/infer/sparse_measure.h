// sparse_measure.h: what each step of a folded graph costs by dense kernels and by the weights kept, and which steps
// should run which way.
#pragma once

#include "framework/core/parallel.h"
#include "framework/infer/blocked_program.h"
#include "framework/infer/sparse_engine.h"

namespace espalier {

/// A place between steps where one value alone is alive: a stretch can begin or end there.
struct Cut {
  std::size_t step;  ///< the one after it
  ValueId value;
};
std::vector<Cut> cuts_of(const Graph& graph);

/// Seconds an image, of every step.
struct Measured {
  std::vector<double> dense;
  std::vector<double> sparse;  ///< infinite where there is no such kernel
  double change = 0;           ///< of layout, a value
};

/// Batches of every value of a graph: `images` of an image, `rows` of features.
class Batches {
 public:
  Batches(const Graph& graph, Index images, Index rows);
  Real* at(ValueId id) { return tensors_[id].data(); }
  Index size(ValueId id) const { return tensors_[id].shape()[0]; }

 private:
  std::vector<Tensor> tensors_;
};

/// Of each step by its dense kernel, on the current number of threads.
std::vector<double> dense_seconds(const Graph& graph, const Weights& weights, Batches& batches);
/// Adds the sparse kernels, `images` to a vector; the batches have at least as many.
Measured measure_steps(const Graph& graph, const Weights& weights, const std::vector<double>& dense,
                       Batches& batches, Index images);

struct ChosenWays {
  SparsePlan::Side side;
  std::vector<bool> sparse;  ///< of every step
  double seconds = 0;        ///< an image
};
/// The way with the least sum of steps and layout changes.
ChosenWays choose_ways(const Graph& graph, const Measured& measured, Index images);

/// Share of a step's weight that is not zero.
double density_of(const Graph& graph, const Weights& weights, const Step& step);
/// Least seconds of a few calls.
double least_seconds(FunctionRef<void()> call);

}  // namespace espalier
