// conv2d.cpp: chooses how a convolution is computed: register tiles, or im2col for dilation and groups.
#include "framework/kernels/conv2d.h"

#include "framework/kernels/conv2d_direct.h"
#include "framework/kernels/conv2d_general.h"

namespace espalier::kernels {

void conv2d(const ConvGeometry& g, Index n, const Real* x, const Real* w, const Real* bias, bool relu,
            Real* y) {
  direct_applies(g) ? conv2d_direct(g, n, x, w, bias, relu, y) : conv2d_general(g, n, x, w, bias, relu, y);
}
void conv2d_input_grad(const ConvGeometry& g, Index n, const Real* dy, const Real* w, Real* dx) {
  direct_applies(g) ? conv2d_input_grad_direct(g, n, dy, w, dx) : conv2d_input_grad_general(g, n, dy, w, dx);
}
void conv2d_weight_grad(const ConvGeometry& g, Index n, const Real* x, const Real* dy, Real* dw) {
  direct_applies(g) ? conv2d_weight_grad_direct(g, n, x, dy, dw)
                    : conv2d_weight_grad_general(g, n, x, dy, dw);
}

}  // namespace espalier::kernels
