// conv2d_reference.cpp: the definition of our convolution and its two adjoints, six loops each, summed in
// float64 and rounded once. Not fast; every other convolution in this folder must agree with it.
#include <algorithm>
#include <vector>

#include "framework/core/parallel.h"
#include "framework/kernels/conv2d.h"

namespace espalier::kernels {
namespace {

/// Calls visit(index of y, index of x, index of w) for every product that makes up one example.
template <class Visit>
void for_each_product(const ConvGeometry& g, Visit visit) {
  const Index in_group = g.in_c / g.groups, out_group = g.out_c / g.groups;
  for (Index p = 0; p < g.out_h; ++p)
    for (Index r = 0; r < g.out_w; ++r)
      for (Index o = 0; o < g.out_c; ++o)
        for (Index y = 0; y < g.kernel_h; ++y)
          for (Index x = 0; x < g.kernel_w; ++x)
            for (Index i = 0; i < in_group; ++i) {
              const Index h = p * g.stride.h - g.pad.h + y * g.dilation.h,
                          w = r * g.stride.w - g.pad.w + x * g.dilation.w;
              if (h < 0 || h >= g.in_h || w < 0 || w >= g.in_w) continue;  // zero padding
              visit((p * g.out_w + r) * g.out_c + o, (h * g.in_w + w) * g.in_c + o / out_group * in_group + i,
                    ((o * g.kernel_h + y) * g.kernel_w + x) * in_group + i);
            }
}

struct Sums {
  explicit Sums(Index count) : size(count), values(static_cast<std::size_t>(count)) {}
  double& operator[](Index k) { return values[k]; }
  void add(Index k, Real a, Real b) { (*this)[k] += static_cast<double>(a) * static_cast<double>(b); }
  void round_to(Real* to) const {
    for (const double v : values) *to++ = static_cast<Real>(v);
  }
  Index size;
  std::vector<double> values;
};

}  // namespace

void conv2d_reference(const ConvGeometry& g, Index n, const Real* x, const Real* w, const Real* bias,
                      bool relu, Real* y) {
  parallel_for(n, 1, [&](Range examples) {
    for (Index e = examples.begin; e < examples.end; ++e) {
      Sums sum(g.out_h * g.out_w * g.out_c);
      if (bias)
        for (Index k = 0; k < sum.size; ++k) sum[k] = static_cast<double>(bias[k % g.out_c]);
      for_each_product(
          g, [&](Index iy, Index ix, Index iw) { sum.add(iy, x[e * g.in_h * g.in_w * g.in_c + ix], w[iw]); });
      sum.round_to(y + e * sum.size);
      if (relu)
        for (Index k = e * sum.size; k < (e + 1) * sum.size; ++k) y[k] = y[k] < 0 ? Real(0) : y[k];
    }
  });
}

void conv2d_input_grad_reference(const ConvGeometry& g, Index n, const Real* dy, const Real* w, Real* dx) {
  parallel_for(n, 1, [&](Range examples) {
    for (Index e = examples.begin; e < examples.end; ++e) {
      Sums sum(g.in_h * g.in_w * g.in_c);
      for_each_product(g, [&](Index iy, Index ix, Index iw) {
        sum.add(ix, dy[e * g.out_h * g.out_w * g.out_c + iy], w[iw]);
      });
      sum.round_to(dx + e * sum.size);
    }
  });
}

void conv2d_weight_grad_reference(const ConvGeometry& g, Index n, const Real* x, const Real* dy, Real* dw) {
  Sums sum(g.weight().size());
  for (Index e = 0; e < n; ++e)
    for_each_product(g, [&](Index iy, Index ix, Index iw) {
      sum.add(iw, x[e * g.in_h * g.in_w * g.in_c + ix], dy[e * g.out_h * g.out_w * g.out_c + iy]);
    });
  sum.round_to(dw);
}

}  // namespace espalier::kernels
