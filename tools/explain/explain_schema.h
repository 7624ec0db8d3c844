// explain_schema.h: what `espalier explain --json` prints, for programs that read it.
#pragma once

#include <string>

namespace espalier {

/// JSON Schema (draft 7) of both objects: a problem's solution, and what is said of one weight. Which members there
/// are depends on sizes and settings only: "exhaustive_k_subsets" for 2 to 16 weights, "F_if_minibatch_were_1" where
/// the problem gives "per_example_gradients".
std::string explain_schema();

}  // namespace espalier
