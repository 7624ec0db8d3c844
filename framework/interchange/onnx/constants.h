// constants.h: what the folding of single ops (constants.cpp, arithmetic.cpp) has in common.
#pragma once

#include <memory>
#include <vector>

#include "framework/interchange/onnx/importer.h"

namespace espalier::onnx::folding {

using Inputs = std::vector<ConstantPtr>;
using Made = std::shared_ptr<Constant>;

/// Zeros of a shape; null if the file has asked for more than it may (Importer::may_fold).
Made make(Dims dims, bool whole, Importer& importer);
/// to[j] = from[i], whichever of the two is of integers.
void copy(const Constant& from, std::int64_t i, Constant& to, std::int64_t j);
std::int64_t attribute(const NodeProto& node, const char* name, std::int64_t otherwise);

// arithmetic.cpp; null if a result cannot be said.
ConstantPtr cast(const NodeProto& node, const Inputs& in, Importer& importer);
ConstantPtr binary(const NodeProto& node, const Inputs& in, Importer& importer);
ConstantPtr unary(const NodeProto& node, const Inputs& in, Importer& importer);
ConstantPtr reduce_product(const NodeProto& node, const Inputs& in, Importer& importer);
ConstantPtr constant_of_shape(const NodeProto& node, const Inputs& in, Importer& importer);

}  // namespace espalier::onnx::folding
