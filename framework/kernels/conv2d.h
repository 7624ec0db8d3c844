// conv2d.h: convolution of NHWC images with OHWI weights. The definition is conv2d_reference.cpp (six
// loops); the fast kernels must agree with it. Kernels know nothing of the graph; all pointers are to
// contiguous memory.
//
// Letters: n example, h w pixel of the input, p r pixel of the output, i channel in, o channel out, y x tap.
#pragma once

#include <vector>

#include "framework/core/real.h"
#include "framework/core/shape.h"
#include "framework/kernels/finish.h"

namespace espalier {

/// Geometry without the batch size, so a slice of a batch shares it. Checked once by conv_geometry().
struct ConvGeometry {
  Index in_h, in_w, in_c, out_h, out_w, out_c, kernel_h, kernel_w;
  Extent2 stride = 1;
  Extent2 pad = 0;  ///< zeros above and to the left; those below and to the right follow from the output
  Extent2 dilation = 1;
  Index groups = 1;
  bool operator==(const ConvGeometry&) const = default;
  Shape input(Index n) const { return {n, in_h, in_w, in_c}; }
  Shape output(Index n) const { return {n, out_h, out_w, out_c}; }
  Shape weight() const { return {out_c, kernel_h, kernel_w, in_c / groups}; }
  /// Multiply-adds of one example.
  Index macs() const { return out_h * out_w * out_c * kernel_h * kernel_w * (in_c / groups); }
};

namespace kernels {

/// y[n,p,r,o] = (bias ? bias[o] : 0) + sum_{y,x,i} x[n, p*stride.h - pad.h + y*dilation.h, ..., i]
/// w[o,y,x,i], then finished. Parallel over examples.
void conv2d(const ConvGeometry& g, Index n, const Real* x, const Real* w, const Real* bias,
            const Finish& finish, Real* y);

/// By which of the four a convolution is computed: "winograd", "depthwise", "tiles" or "im2col".
const char* conv2d_way(const ConvGeometry& g);

/// dx = the transpose of conv2d applied to dy. Overwrites dx.
void conv2d_input_grad(const ConvGeometry& g, Index n, const Real* dy, const Real* w, Real* dx);

/// dw[o,y,x,i] = sum over the n examples of x * dy. Overwrites dw. The sum runs over fixed groups of examples
/// in fixed order: same bits on any number of threads.
void conv2d_weight_grad(const ConvGeometry& g, Index n, const Real* x, const Real* dy, Real* dw);

/// The forward pass for a weight that meets many batches: put in the order of the kernel chosen once. Same
/// bits as conv2d(). A batch of few images is cut within them.
class PackedConv2d {
 public:
  /// `bias` may be null. Keeps a copy of both.
  PackedConv2d(const ConvGeometry& g, const Real* w, const Real* bias);
  void run(Index n, const Real* x, const Finish& finish, Real* y) const;
  const ConvGeometry& geometry() const { return g_; }

 private:
  ConvGeometry g_;
  bool has_bias_;
  std::vector<Real> packed_, bias_;
};

// The definitions, for tests.
void conv2d_reference(const ConvGeometry& g, Index n, const Real* x, const Real* w, const Real* bias,
                      bool relu, Real* y);
void conv2d_input_grad_reference(const ConvGeometry& g, Index n, const Real* dy, const Real* w, Real* dx);
void conv2d_weight_grad_reference(const ConvGeometry& g, Index n, const Real* x, const Real* dy, Real* dw);

}  // namespace kernels
}  // namespace espalier
