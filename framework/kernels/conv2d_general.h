// conv2d_general.h: convolution of any geometry by im2col and OpenBLAS. The path of shapes without a tile.
#pragma once

#include "framework/kernels/conv2d.h"

namespace espalier::kernels {

void conv2d_general(const ConvGeometry& g, Index n, const Real* x, const Real* w, const Real* bias,
                    const Finish& finish, Real* y);
void conv2d_input_grad_general(const ConvGeometry& g, Index n, const Real* dy, const Real* w, Real* dx);
void conv2d_weight_grad_general(const ConvGeometry& g, Index n, const Real* x, const Real* dy, Real* dw);

}  // namespace espalier::kernels
