// sparse_kernels.h: the engine's kernels by the weights kept: linear layers, and stretches of a graph that have become
// one step.
#pragma once

#include "framework/infer/blocked_program.h"
#include "framework/infer/step_kernel.h"

namespace espalier {

/// Null unless the step is a linear layer without activation or with ReLU.
std::unique_ptr<StepKernel> sparse_linear_kernel(const Graph& graph, const Step& step,
                                                 const Weights& weights);

/// The graph with each program's stretch as one step. Stretches in the order of the steps.
Graph with_programs(const Graph& graph,
                    const std::vector<std::pair<Stretch, std::shared_ptr<const BlockedProgram>>>& programs);
/// The kernel of such a step; null for others.
std::unique_ptr<StepKernel> program_kernel(const Graph& graph, const Step& step, const Weights& weights);

}  // namespace espalier
