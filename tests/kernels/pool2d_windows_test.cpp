// pool2d_windows_test.cpp: poolings of any window against the definition, pixel by pixel; the numbers of
// windows against the ones that PyTorch and ONNX say.
#include "framework/kernels/pool2d_windows.h"

#include <gtest/gtest.h>

#include "tests/support/arrays.h"
#include "tests/support/precision.h"

namespace espalier::test {
namespace {

WindowGeometry windows(Index h, Index w, Index c, std::array<Index, 2> kernel, std::array<Index, 2> stride,
                       std::array<Index, 4> pad, bool up, bool count) {
  return {h,
          w,
          c,
          window_count(h, kernel[0], stride[0], pad[0], pad[2], up),
          window_count(w, kernel[1], stride[1], pad[1], pad[3], up),
          kernel[0],
          kernel[1],
          stride[0],
          stride[1],
          pad[0],
          pad[1],
          pad[2],
          pad[3],
          count};
}

std::vector<WindowGeometry> geometries() {
  std::vector<WindowGeometry> all;
  for (const bool up : {false, true})
    for (const bool count : {false, true}) {
      all.push_back(windows(7, 7, 5, {3, 3}, {2, 2}, {1, 1, 1, 1}, up, count));  // ResNet's
      all.push_back(windows(8, 6, 3, {3, 3}, {2, 2}, {0, 0, 0, 0}, up, count));  // SqueezeNet's, with ceil
      all.push_back(windows(5, 9, 2, {2, 5}, {1, 3}, {1, 0, 0, 4}, up, count));  // all sides differ
      all.push_back(windows(4, 4, 16, {4, 2}, {4, 2}, {0, 1, 3, 0}, up, count));
      all.push_back(windows(1, 6, 4, {1, 3}, {1, 2}, {0, 2, 0, 1}, up, count));  // one row: a line
    }
  return all;
}

/// Calls visit(example, p, r, c, h, w) for every pixel of every window; h and w may lie outside the image.
template <class Visit>
void for_each_tap(const WindowGeometry& g, Visit visit) {
  for (Index p = 0; p < g.out_h; ++p)
    for (Index r = 0; r < g.out_w; ++r)
      for (Index c = 0; c < g.channels; ++c)
        for (Index i = 0; i < g.kernel_h; ++i)
          for (Index j = 0; j < g.kernel_w; ++j)
            visit((p * g.out_w + r) * g.channels + c, c, p * g.stride_h - g.pad_top + i,
                  r * g.stride_w - g.pad_left + j, i * g.kernel_w + j);
}
bool inside(const WindowGeometry& g, Index h, Index w) {
  return h >= 0 && h < g.in_h && w >= 0 && w < g.in_w;
}
/// Padding ends where it was said to, even if a last window goes on.
bool padded(const WindowGeometry& g, Index h, Index w) {
  return h < g.in_h + g.pad_bottom && w < g.in_w + g.pad_right;
}

TEST(PoolWindows, AreAsManyAsPytorchHas) {
  EXPECT_EQ(window_count(112, 3, 2, 1, 1, false), 56);
  EXPECT_EQ(window_count(55, 3, 2, 0, 0, true), 27);
  EXPECT_EQ(window_count(54, 3, 2, 0, 0, true), 27) << "rounded up: 26.5 windows";
  EXPECT_EQ(window_count(54, 3, 2, 0, 0, false), 26);
  EXPECT_EQ(window_count(3, 2, 2, 1, 1, true), 2) << "a third would begin in the padding behind the image";
  EXPECT_EQ(window_count(2, 3, 1, 0, 0, false), 0);
}

TEST(PoolWindows, MaximaAndMeansAreThoseOfTheDefinition) {
  for (const WindowGeometry& g : geometries()) {
    SCOPED_TRACE(
        fmt::format("{} kernel {}x{} counting {}", g.input(1), g.kernel_h, g.kernel_w, g.count_padding));
    const Index n = 3, in = g.input(1).size(), out = g.output(1).size();
    const std::vector<Real> x = normal_values(n * in, 1);
    std::vector<Real> y = poisoned(n * out), which = poisoned(n * out), mean = poisoned(n * out);
    kernels::max_pool(g, n, x.data(), false, y.data(), which.data());
    kernels::average_pool(g, n, x.data(), mean.data());
    for (Index e = 0; e < n; ++e) {
      std::vector<double> best(out, -1e30), sum(out, 0), count(out, 0), tap(out, -1);
      for_each_tap(g, [&](Index o, Index c, Index h, Index w, Index t) {
        if (g.count_padding && padded(g, h, w)) ++count[o];
        if (!inside(g, h, w)) return;
        const double v = x[e * in + (h * g.in_w + w) * g.channels + c];
        if (v > best[o]) tap[o] = static_cast<double>(t);
        best[o] = std::max(best[o], v);
        sum[o] += v;
        if (!g.count_padding) ++count[o];
      });
      for (Index o = 0; o < out; ++o) {
        EXPECT_EQ(y[e * out + o], static_cast<Real>(best[o]));
        EXPECT_EQ(which[e * out + o], static_cast<Real>(tap[o]));
        EXPECT_NEAR(mean[e * out + o], sum[o] / count[o], 1e-6);
      }
    }
  }
}

TEST(PoolWindows, ReluTakesTheMaximumWithZero) {
  const WindowGeometry g = geometries()[0];
  const std::vector<Real> x = normal_values(g.input(1).size(), 2);
  std::vector<Real> y(g.output(1).size()), rectified(y.size());
  kernels::max_pool(g, 1, x.data(), false, y.data(), nullptr);
  kernels::max_pool(g, 1, x.data(), true, rectified.data(), nullptr);
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(rectified[i], std::max(y[i], Real(0)));
}

TEST(PoolWindows, AdjointsAreAdjoint) {
  for (const WindowGeometry& g : geometries()) {
    const Index n = 2;
    const std::vector<Real> x = normal_values(n * g.input(1).size(), 3),
                            u = normal_values(n * g.output(1).size(), 4), d = normal_values(x.size(), 5);
    std::vector<Real> y(u.size()), which(u.size()), back(x.size()), along(u.size());
    const auto inner_product = [](const std::vector<Real>& a, const std::vector<Real>& b) {
      double s = 0;
      for (std::size_t i = 0; i < a.size(); ++i) s += static_cast<double>(a[i]) * b[i];
      return s;
    };
    kernels::max_pool(g, n, x.data(), false, y.data(), which.data());
    kernels::max_pool_grad(g, n, u.data(), which.data(), back.data());
    kernels::max_pool_gather(g, n, d.data(), which.data(), along.data());
    EXPECT_NEAR(inner_product(back, d), inner_product(u, along), 1e-3);
    kernels::average_pool(g, n, d.data(), along.data());
    kernels::average_pool_grad(g, n, u.data(), back.data());
    EXPECT_NEAR(inner_product(back, d), inner_product(u, along), 1e-3);
  }
}

}  // namespace
}  // namespace espalier::test
