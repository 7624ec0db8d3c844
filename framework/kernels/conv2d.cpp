// conv2d.cpp: chooses how a convolution is computed.
#include "framework/kernels/conv2d.h"

#include "framework/kernels/conv2d_general.h"

namespace espalier::kernels {

void conv2d(const ConvGeometry& g, Index n, const Real* x, const Real* w, const Real* bias, bool relu,
            Real* y) {
  conv2d_general(g, n, x, w, bias, relu, y);
}
void conv2d_input_grad(const ConvGeometry& g, Index n, const Real* dy, const Real* w, Real* dx) {
  conv2d_input_grad_general(g, n, dy, w, dx);
}
void conv2d_weight_grad(const ConvGeometry& g, Index n, const Real* x, const Real* dy, Real* dw) {
  conv2d_weight_grad_general(g, n, x, dy, dw);
}

}  // namespace espalier::kernels
