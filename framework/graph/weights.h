// weights.h: the numbers of a graph by name: parameters and statistics, in the layout of memory (OHWI, [out,
// in]). What inference, compact files and other formats work on; training has its own flat arrays
// (nn/parameters.h).
#pragma once

#include <map>
#include <string>

#include "framework/core/tensor.h"
#include "framework/graph/graph.h"

namespace espalier {

struct Weights {
  std::map<std::string, Tensor> tensors;

  bool has(const std::string& name) const { return tensors.contains(name); }
  /// Throws Error(internal) if there is none of that name.
  const Tensor& at(const std::string& name) const;
};

/// Throws Error(internal) unless `weights` has every parameter and statistic of the graph in its shape.
void check_weights(const Graph& graph, const Weights& weights);

}  // namespace espalier
