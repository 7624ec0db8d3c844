// network_table.h: a network as a table for the terminal: what each step makes, owns and costs.
#pragma once

#include <string>

#include "framework/nn/model.h"

namespace espalier {

/// Steps (with the activation that is joined to each), output shape, parameters, share of pruned weights,
/// multiply-adds of one image, memory of parameters and output in float32; and their sums.
std::string network_table(const Model& model);

}  // namespace espalier
