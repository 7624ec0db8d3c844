// conv2d_reference.cpp: the definition of our convolution and its two adjoints, six loops each. Not fast;
// every other convolution in this folder must agree with it.
#include <algorithm>

#include "framework/core/parallel.h"
#include "framework/kernels/conv2d.h"

namespace espalier::kernels {
namespace {

/// Calls visit(index of y, index of x, index of w) for every product that makes up example n.
template <class Visit>
void for_each_product(const ConvGeometry& g, Index n, Visit visit) {
  const Index in_group = g.in_c / g.groups, out_group = g.out_c / g.groups;
  for (Index p = 0; p < g.out_h; ++p)
    for (Index r = 0; r < g.out_w; ++r)
      for (Index o = 0; o < g.out_c; ++o)
        for (Index y = 0; y < g.kernel_h; ++y)
          for (Index x = 0; x < g.kernel_w; ++x)
            for (Index i = 0; i < in_group; ++i) {
              const Index h = p * g.stride - g.pad + y * g.dilation,
                          w = r * g.stride - g.pad + x * g.dilation;
              if (h < 0 || h >= g.in_h || w < 0 || w >= g.in_w) continue;  // zero padding
              visit(((n * g.out_h + p) * g.out_w + r) * g.out_c + o,
                    ((n * g.in_h + h) * g.in_w + w) * g.in_c + o / out_group * in_group + i,
                    ((o * g.kernel_h + y) * g.kernel_w + x) * in_group + i);
            }
}

}  // namespace

void conv2d_reference(const ConvGeometry& g, Index n, const Real* x, const Real* w, const Real* bias,
                      bool relu, Real* y) {
  const Index size = g.out_h * g.out_w * g.out_c;
  parallel_for(n, 1, [&](Range examples) {
    for (Index e = examples.begin; e < examples.end; ++e) {
      Real* out = y + e * size;
      for (Index k = 0; k < size; ++k) out[k] = bias ? bias[k % g.out_c] : Real(0);
      for_each_product(g, e, [&](Index iy, Index ix, Index iw) { y[iy] += x[ix] * w[iw]; });
      if (relu)
        for (Index k = 0; k < size; ++k) out[k] = out[k] < 0 ? Real(0) : out[k];
    }
  });
}

void conv2d_input_grad_reference(const ConvGeometry& g, Index n, const Real* dy, const Real* w, Real* dx) {
  parallel_for(n, 1, [&](Range examples) {
    for (Index e = examples.begin; e < examples.end; ++e) {
      std::fill_n(dx + e * g.in_h * g.in_w * g.in_c, g.in_h * g.in_w * g.in_c, Real(0));
      for_each_product(g, e, [&](Index iy, Index ix, Index iw) { dx[ix] += dy[iy] * w[iw]; });
    }
  });
}

void conv2d_weight_grad_reference(const ConvGeometry& g, Index n, const Real* x, const Real* dy, Real* dw) {
  std::fill_n(dw, g.weight().size(), Real(0));
  for (Index e = 0; e < n; ++e)
    for_each_product(g, e, [&](Index iy, Index ix, Index iw) { dw[iw] += x[ix] * dy[iy]; });
}

}  // namespace espalier::kernels
