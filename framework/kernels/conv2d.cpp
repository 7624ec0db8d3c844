// conv2d.cpp: chooses how a convolution is computed: Winograd's products, register tiles, or im2col for
// dilation and groups.
#include "framework/kernels/conv2d.h"

#include "framework/kernels/conv2d_direct.h"
#include "framework/kernels/conv2d_general.h"
#include "framework/kernels/conv2d_winograd.h"

namespace espalier::kernels {

void conv2d(const ConvGeometry& g, Index n, const Real* x, const Real* w, const Real* bias, bool relu,
            Real* y) {
  const auto fn = winograd_pays(g) ? conv2d_winograd : direct_applies(g) ? conv2d_direct : conv2d_general;
  fn(g, n, x, w, bias, relu, y);
}
void conv2d_input_grad(const ConvGeometry& g, Index n, const Real* dy, const Real* w, Real* dx) {
  const auto fn = winograd_pays(g)    ? conv2d_input_grad_winograd
                  : direct_applies(g) ? conv2d_input_grad_direct
                                      : conv2d_input_grad_general;
  fn(g, n, dy, w, dx);
}
void conv2d_weight_grad(const ConvGeometry& g, Index n, const Real* x, const Real* dy, Real* dw) {
  const auto fn = winograd_pays(g)    ? conv2d_weight_grad_winograd
                  : direct_applies(g) ? conv2d_weight_grad_direct
                                      : conv2d_weight_grad_general;
  fn(g, n, x, dy, dw);
}

}  // namespace espalier::kernels
