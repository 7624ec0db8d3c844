// diagnose.h: where in a network a non-finite number first appeared.
#pragma once

#include <string>

#include "framework/nn/parameters.h"

namespace espalier {

/// Searches the graph behind `result`, inputs before outputs, for the first value that is not finite and
/// says what it is: a parameter, an input, or the output of an op (with the parameters that op used). Call
/// before backward().
std::string first_non_finite(const Var& result, const ParameterStore& store);

}  // namespace espalier
