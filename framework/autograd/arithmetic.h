// arithmetic.h: the ops that the reverse pass and the gradient rules of other ops are made of. All are
// elementwise or linear; shapes must match exactly, and there is no broadcasting: spread_* says what is
// repeated where.
#pragma once

#include "framework/autograd/var.h"

namespace espalier {

Var add(const Var& a, const Var& b);
Var subtract(const Var& a, const Var& b);
Var multiply(const Var& a, const Var& b);
Var scale(const Var& x, Real factor);
Var reciprocal_sqrt(const Var& x);  ///< x > 0

Var reshape(const Var& x, const Shape& shape);

/// [.., c] -> [c]: sum over all axes but the last; spread_channels is its adjoint.
Var sum_to_channels(const Var& x);
Var spread_channels(const Var& x, const Shape& shape);
/// x * factor[c] + shift[c]; `shift` may be empty.
Var channel_affine(const Var& x, const Var& factor, const Var& shift);
/// [n, k] -> [n]: sum over k; spread_rows is its adjoint.
Var sum_rows(const Var& x);
Var spread_rows(const Var& x, Index k);
/// Any shape -> [1]; spread_all is its adjoint.
Var sum_all(const Var& x);
Var spread_all(const Var& x, const Shape& shape);
/// sum(a * b), shape [1].
Var dot(const Var& a, const Var& b);

}  // namespace espalier
