// elementwise.h: the small loops of the engine, vectorised and parallel over fixed chunks. n counts values.
#pragma once

#include "framework/core/real.h"
#include "framework/kernels/finish.h"

namespace espalier::kernels {

void add(Index n, const Real* a, const Real* b, Real* y);                           ///< y = a + b
void add_relu(Index n, const Real* a, const Real* b, Real* y);                      ///< y = max(a + b, 0)
void axpby(Index n, Real alpha, const Real* a, Real beta, const Real* b, Real* y);  ///< y = alpha a + beta b
void scale(Index n, Real alpha, const Real* x, Real* y);                            ///< y = alpha x
void multiply(Index n, const Real* a, const Real* b, Real* y);                      ///< y = a b
void relu(Index n, const Real* x, Real* y);                                         ///< y = max(x, 0)
void keep_positive(Index n, const Real* x, const Real* sign, Real* y);              ///< y = sign > 0 ? x : 0
/// y = low < at < high ? x : 0
void keep_within(Index n, Real low, Real high, const Real* x, const Real* at, Real* y);
void finish(Index n, const Finish& f, const Real* x, Real* y);  ///< y = finished x
/// dx = dy times the slope of `f` at x.
void finish_grad(Index n, const Finish& f, const Real* x, const Real* dy, Real* dx);
void reciprocal_sqrt(Index n, const Real* x, Real* y);  ///< y = 1 / sqrt(x)
double dot(Index n, const Real* a, const Real* b);      ///< float64 sum over fixed chunks
/// y[r,c] = x[c] for every row.
void spread_channels(Index rows, Index channels, const Real* x, Real* y);
/// One fused pass over flat parameters: the SGD step (see train/optimizer.h). All arrays have n values;
/// mask is 0 or 1, or null for all ones. v = momentum v + g, g = gradient + decay w;  w -= rate * (nesterov ?
/// g + momentum v : v); both w and v are multiplied by mask.
void sgd_step(Index n, Real rate, Real momentum, bool nesterov, Real decay, const Real* gradient,
              const Real* mask, Real* velocity, Real* w);

}  // namespace espalier::kernels
