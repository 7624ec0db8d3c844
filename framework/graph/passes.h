// passes.h: a graph into another that computes the same, and what a graph costs.
#pragma once

#include <utility>

#include "framework/graph/graph.h"
#include "framework/graph/op_table.h"
#include "framework/graph/weights.h"

namespace espalier {

/// Which activations join_activations() takes: those that kernels and gradient rules apply in the same pass
/// as the op before (ReLU, clip, hard-swish), or any (an engine applies them to what it has just written, still in the
/// cache).
enum class Joined { fused, all };
/// An activation that is the only reader of a convolution, linear layer, batch norm, pooling or sum becomes
/// part of it.
Graph join_activations(const Graph& graph, Joined which = Joined::fused);

/// For inference: the map of a batch norm that is the only reader of a convolution or linear layer goes into
/// its weight and bias, with the running statistics. Tensors that do not change are shared.
std::pair<Graph, Weights> fold_batch_norm(const Graph& graph, const Weights& weights);

/// For inference, whose kernels look at sizes only: steps that change no number and move none (dropout;
/// flatten of one channel or one pixel) go.
Graph drop_identities(const Graph& graph);

/// What one step costs for one example.
struct StepCost {
  Index macs = 0;        ///< multiply-adds
  Index parameters = 0;  ///< values of its parameters
  Index output = 0;      ///< values of its output
};
/// In the order of the steps.
std::vector<StepCost> count(const Graph& graph);

/// Whether the outputs are in evaluation a piecewise linear function of this parameter, all others fixed. Its
/// block of the loss's Hessian is then the Gauss-Newton one.
bool piecewise_linear_in(const Graph& graph, int parameter);

/// Forgets the values that no step makes or reads; ids change, the order stays.
void drop_unused_values(Graph& graph);
/// The same of parameters and statistics that belong to no step, with their tensors.
void drop_unused_parameters(Graph& graph, Weights& weights);

}  // namespace espalier
