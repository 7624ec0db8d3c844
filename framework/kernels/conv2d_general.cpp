// conv2d_general.cpp: convolution as a matrix product, one example and channel group at a time. im2col lays
// the window of each output pixel out as a row of `columns`;
// the OHWI weight is then already the other factor.
#include "framework/kernels/conv2d_general.h"

#include <algorithm>

#include "framework/core/parallel.h"
#include "framework/kernels/gemm.h"
#include "framework/kernels/instruction_set.h"
#include "framework/kernels/scratch.h"

namespace espalier::kernels {
namespace {

/// Extents of the matrix product of one group: columns[pixels, taps] weight[out, taps]'.
struct Product {
  explicit Product(const ConvGeometry& g)
      : pixels(g.out_h * g.out_w),
        in(g.in_c / g.groups),
        out(g.out_c / g.groups),
        taps(g.kernel_h * g.kernel_w * in),
        identity(g.kernel_h == 1 && g.kernel_w == 1 && g.stride == 1 && pixels == g.in_h * g.in_w) {}
  Index pixels, in, out, taps;
  bool identity;  ///< 1x1, stride 1, no padding: the image is its own column matrix
  Index scratch() const { return identity ? 0 : pixels * taps; }
};

/// Calls visit(position in columns, position in the image or -1) for each window pixel (`in` channels long).
template <class Visit>
void for_each_window_pixel(const ConvGeometry& g, const Product& m, Visit visit) {
  Index column = 0;
  for (Index p = 0; p < g.out_h; ++p)
    for (Index r = 0; r < g.out_w; ++r)
      for (Index y = 0; y < g.kernel_h; ++y) {
        const Index h = p * g.stride.h - g.pad.h + y * g.dilation.h;
        for (Index x = 0; x < g.kernel_w; ++x, column += m.in) {
          const Index w = r * g.stride.w - g.pad.w + x * g.dilation.w;
          const bool inside = h >= 0 && h < g.in_h && w >= 0 && w < g.in_w;
          visit(column, inside ? (h * g.in_w + w) * g.in_c : -1);
        }
      }
}

/// The column matrix of one group of one image and its row length.
struct Columns {
  const Real* data;
  Index stride;
};
Columns im2col(const ConvGeometry& g, const Product& m, const Real* image, Real* scratch) {
  if (m.identity) return {image, g.in_c};
  for_each_window_pixel(g, m, [&](Index column, Index pixel) {
    if (pixel < 0)
      std::fill_n(scratch + column, m.in, Real(0));
    else
      std::copy_n(image + pixel, m.in, scratch + column);
  });
  return {scratch, m.taps};
}

}  // namespace

void conv2d_general(const ConvGeometry& g, Index n, const Real* x, const Real* w, const Real* bias,
                    const Finish& finish, Real* y) {
  const Product m(g);
  parallel_for(n, 1, [&](Range examples) {
    Scratch<Real> scratch(m.scratch());
    for (Index e = examples.begin; e < examples.end; ++e) {
      Real* out = y + e * m.pixels * g.out_c;
      if (bias)
        for (Index p = 0; p < m.pixels; ++p) std::copy_n(bias, g.out_c, out + p * g.out_c);
      for (Index k = 0; k < g.groups; ++k) {
        const Columns c = im2col(g, m, x + e * g.in_h * g.in_w * g.in_c + k * m.in, scratch.data());
        gemm(Transpose::no, Transpose::yes, m.pixels, m.out, m.taps, 1, c.data, c.stride,
             w + k * m.out * m.taps, m.taps, bias ? 1 : 0, out + k * m.out, g.out_c);
      }
      if (finish) instruction_set().finish(m.pixels * g.out_c, finish, out, out);
    }
  });
}

void conv2d_input_grad_general(const ConvGeometry& g, Index n, const Real* dy, const Real* w, Real* dx) {
  const Product m(g);
  parallel_for(n, 1, [&](Range examples) {
    Scratch<Real> scratch(m.scratch());
    for (Index e = examples.begin; e < examples.end; ++e) {
      Real* image = dx + e * g.in_h * g.in_w * g.in_c;
      if (!m.identity) std::fill_n(image, g.in_h * g.in_w * g.in_c, Real(0));
      for (Index k = 0; k < g.groups; ++k) {
        Real* columns = m.identity ? image + k * m.in : scratch.data();
        gemm(Transpose::no, Transpose::no, m.pixels, m.taps, m.out, 1,
             dy + e * m.pixels * g.out_c + k * m.out, g.out_c, w + k * m.out * m.taps, m.taps, 0, columns,
             m.identity ? g.in_c : m.taps);
        if (m.identity) continue;
        for_each_window_pixel(g, m, [&](Index column, Index pixel) {
          if (pixel < 0) return;
          Real* to = image + k * m.in + pixel;
          for (Index i = 0; i < m.in; ++i) to[i] += columns[column + i];
        });
      }
    }
  });
}

void conv2d_weight_grad_general(const ConvGeometry& g, Index n, const Real* x, const Real* dy, Real* dw) {
  constexpr Index group = 8;  // examples summed in one accumulator; accumulators are then added in order
  const Product m(g);
  const Index size = g.weight().size(), groups = (n + group - 1) / group;
  std::fill_n(dw, size, Real(0));
  Scratch<Real> partial(groups > 1 ? groups * size : 0);
  parallel_for(n, group, [&](Range examples) {
    Scratch<Real> scratch(m.scratch());
    Real* sum = groups > 1 ? partial.data() + examples.begin / group * size : dw;
    for (Index e = examples.begin; e < examples.end; ++e)
      for (Index k = 0; k < g.groups; ++k) {
        const Columns c = im2col(g, m, x + e * g.in_h * g.in_w * g.in_c + k * m.in, scratch.data());
        gemm(Transpose::yes, Transpose::no, m.out, m.taps, m.pixels, 1,
             dy + e * m.pixels * g.out_c + k * m.out, g.out_c, c.data, c.stride, e > examples.begin ? 1 : 0,
             sum + k * m.out * m.taps, m.taps);
      }
  });
  if (groups > 1)
    parallel_for(size, 4096, [&](Range part) {
      for (Index a = 0; a < groups; ++a)
        for (Index k = part.begin; k < part.end; ++k) dw[k] += partial[a * size + k];
    });
}

}  // namespace espalier::kernels
