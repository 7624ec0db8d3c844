// plan_table.h: what the sparse engine measured and chose, for `evaluate --plan`.
#pragma once

#include <string>

#include "framework/infer/sparse_engine.h"

namespace espalier {

/// A row for each step: density of its weights, microseconds an image by both ways, and which one runs.
std::string plan_table(const SparseEngine& engine);

}  // namespace espalier
