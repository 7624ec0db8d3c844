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
const char* conv2d_way(const ConvGeometry& g) {
  return winograd_pays(g) ? "winograd" : direct_applies(g) ? "tiles" : "im2col";
}

PackedConv2d::PackedConv2d(const ConvGeometry& g, const Real* w, const Real* bias)
    : g_(g), has_bias_(bias != nullptr) {
  if (has_bias_) bias_.assign(bias, bias + g.out_c);
  if (winograd_pays(g)) {
    packed_.resize(winograd_packed_size(g));
    winograd_pack(g, w, packed_.data());
  } else if (direct_applies(g)) {
    packed_.resize(direct_packed_size(g));
    direct_pack(g, w, bias, packed_.data());
  } else {
    packed_.assign(w, w + g.weight().size());
  }
}

void PackedConv2d::run(Index n, const Real* x, bool relu, Real* y) const {
  const Real* bias = has_bias_ ? bias_.data() : nullptr;
  if (winograd_pays(g_))
    conv2d_winograd_packed(g_, n, x, packed_.data(), bias, relu, y);
  else if (direct_applies(g_))
    conv2d_direct_packed(g_, n, x, packed_.data(), relu, y);
  else
    conv2d_general(g_, n, x, packed_.data(), bias, relu, y);
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
