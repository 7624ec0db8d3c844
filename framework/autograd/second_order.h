// second_order.h: products of curvature matrices with vectors, exact, from the graph of one forward pass. No
// matrix is formed but by the two *_block functions, which are for small layers and for tests.
//
// All take sums: `loss` and `logits` may have any number of examples, and the matrix is the sum of theirs
// (divide by N for the matrices of mathematics.md). The graph of the first reverse pass stays in memory, so
// cut a large batch into micro-batches and add up. Call in evaluation mode; the derivatives of ReLU and max
// pooling are the almost-everywhere ones. The graph is not consumed: several products may be taken of one
// forward pass.
#pragma once

#include <span>
#include <vector>

#include "framework/autograd/var.h"

namespace espalier {

/// A vector over parameters: one tensor per parameter, in its shape.
using ParameterVector = std::vector<Tensor>;

/// H v, H = d2 sum(loss) / dw2, over all of `parameters` jointly. Pearlmutter 1994, here as the gradient of
/// <grad, v>. Costs about two reverse passes over the graph.
ParameterVector hessian_vector(const Var& loss, std::span<const Var> parameters, std::span<const Tensor> v);

/// J v, J = dy/dw, in y's shape. Reverse passes only: u -> J'u is linear, and its transpose is J.
Tensor jacobian_vector(const Var& y, std::span<const Var> parameters, std::span<const Tensor> v);

/// G v, G = sum_n J_n' (diag(p_n) - p_n p_n') J_n, p = softmax(logits), logits [n, classes]: the generalised
/// Gauss-Newton matrix of softmax cross-entropy, which is the true Fisher (mathematics.md, section 2).
ParameterVector gauss_newton_vector(const Var& logits, std::span<const Var> parameters,
                                    std::span<const Tensor> v);

/// [rows.size(), columns.size()] block d2 sum(loss) / d rows d columns. One reverse pass per row.
Tensor hessian_block(const Var& loss, const Var& rows, const Var& columns);
/// The same block of the Gauss-Newton matrix, from the Jacobian of all logits: n * classes reverse passes.
Tensor gauss_newton_block(const Var& logits, const Var& rows, const Var& columns);

}  // namespace espalier
