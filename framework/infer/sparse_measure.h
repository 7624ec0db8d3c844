// sparse_measure.h: what each step of a folded graph costs by dense kernels and by the weights kept, and which steps
// should run which way.
#pragma once

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

/// Batches of `n` on the current number of threads, `images` to a vector.
Measured measure_steps(const Graph& graph, const Weights& weights, Index n, Index images);

struct Choice {
  SparsePlan::Side side;
  std::vector<bool> sparse;  ///< of every step
  double seconds = 0;        ///< an image
};
/// The way with the least sum of steps and layout changes.
Choice choose_ways(const Graph& graph, const Measured& measured, Index images);

/// Share of a step's weight that is not zero.
double density_of(const Graph& graph, const Weights& weights, const Step& step);
/// Least seconds of a few calls.
double least_seconds(FunctionRef<void()> call);

}  // namespace espalier
