// buffers.h: where the values of a graph lie while the engine runs it: one block of memory in which a value
// takes the place of others that no later step reads.
#pragma once

#include <vector>

#include "framework/graph/graph.h"

namespace espalier {

struct BufferPlan {
  static constexpr Index outside = -1;  ///< the graph's input and outputs lie in the caller's memory
  std::vector<Index> offsets;           ///< of each value, in values per example
  Index size = 0;                       ///< of the block, in values per example
};

/// `in_place[s]` tells whether step s may write over its first input. Offsets are multiples of 64 bytes.
BufferPlan plan_buffers(const Graph& graph, const std::vector<bool>& in_place);

}  // namespace espalier
