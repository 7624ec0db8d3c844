// spectral.h: the blockwise inverse for many dampenings at the price of few: G G' (or F itself, for blocks of
// fewer weights than rows) is decomposed once, G G' = U diag(s) U'.
#pragma once

#include "pruning/inverse/inverse.h"

namespace espalier {

/// For trying dampenings: about 1e-16 |F| / damp of the inverse's digits are lost where damp is small; what
/// is finally used is built by Cholesky factors (block.cpp).
std::unique_ptr<InverseFamily> spectral_family(const GradientRows& rows, std::vector<Range> blocks);

}  // namespace espalier
