// conv2d.cpp: chooses how a convolution is computed: Winograd's products, channel by channel, register tiles, or im2col
// for dilation.
#include "framework/kernels/conv2d.h"

#include "framework/kernels/conv2d_depthwise.h"
#include "framework/kernels/conv2d_direct.h"
#include "framework/kernels/conv2d_general.h"
#include "framework/kernels/conv2d_winograd.h"

namespace espalier::kernels {
namespace {

enum class Way { winograd, depthwise, tiles, im2col };
Way way_of(const ConvGeometry& g) {
  if (winograd_pays(g)) return Way::winograd;
  if (depthwise_applies(g)) return Way::depthwise;
  return direct_applies(g) ? Way::tiles : Way::im2col;
}

}  // namespace

void conv2d(const ConvGeometry& g, Index n, const Real* x, const Real* w, const Real* bias,
            const Finish& finish, Real* y) {
  const Way way = way_of(g);
  const auto fn = way == Way::winograd    ? conv2d_winograd
                  : way == Way::depthwise ? conv2d_depthwise
                  : way == Way::tiles     ? conv2d_direct
                                          : conv2d_general;
  fn(g, n, x, w, bias, finish, y);
}
const char* conv2d_way(const ConvGeometry& g) {
  constexpr const char* names[] = {"winograd", "depthwise", "tiles", "im2col"};
  return names[static_cast<int>(way_of(g))];
}

PackedConv2d::PackedConv2d(const ConvGeometry& g, const Real* w, const Real* bias)
    : g_(g), has_bias_(bias != nullptr) {
  if (has_bias_) bias_.assign(bias, bias + g.out_c);
  switch (way_of(g)) {
    case Way::winograd:
      packed_.resize(winograd_packed_size(g));
      winograd_pack(g, w, packed_.data());
      return;
    case Way::depthwise:
      packed_.resize(g.weight().size());
      depthwise_pack(g, w, packed_.data());
      return;
    case Way::tiles:
      packed_.resize(direct_packed_size(g));
      direct_pack(g, w, bias, packed_.data());
      return;
    case Way::im2col:
      packed_.assign(w, w + g.weight().size());
  }
}

void PackedConv2d::run(Index n, const Real* x, const Finish& finish, Real* y) const {
  const Real* bias = has_bias_ ? bias_.data() : nullptr;
  switch (way_of(g_)) {
    case Way::winograd:
      return conv2d_winograd_packed(g_, n, x, packed_.data(), bias, finish, y);
    case Way::depthwise:
      return conv2d_depthwise_packed(g_, n, x, packed_.data(), bias, finish, y);
    case Way::tiles:
      return conv2d_direct_packed(g_, n, x, packed_.data(), finish, y);
    case Way::im2col:
      return conv2d_general(g_, n, x, packed_.data(), bias, finish, y);
  }
}

void conv2d_input_grad(const ConvGeometry& g, Index n, const Real* dy, const Real* w, Real* dx) {
  const Way way = way_of(g);
  const auto fn = way == Way::winograd    ? conv2d_input_grad_winograd
                  : way == Way::depthwise ? conv2d_input_grad_depthwise
                  : way == Way::tiles     ? conv2d_input_grad_direct
                                          : conv2d_input_grad_general;
  fn(g, n, dy, w, dx);
}
void conv2d_weight_grad(const ConvGeometry& g, Index n, const Real* x, const Real* dy, Real* dw) {
  const Way way = way_of(g);
  const auto fn = way == Way::winograd    ? conv2d_weight_grad_winograd
                  : way == Way::depthwise ? conv2d_weight_grad_depthwise
                  : way == Way::tiles     ? conv2d_weight_grad_direct
                                          : conv2d_weight_grad_general;
  fn(g, n, x, dy, dw);
}

}  // namespace espalier::kernels
