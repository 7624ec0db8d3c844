#include "framework/data/resize.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "framework/core/check.h"

namespace espalier {
namespace {

/// What each of a row of output pixels is the weighted mean of.
struct Taps {
  std::vector<Index> begin, count;  // of the input pixels
  std::vector<float> weights;       // [output, most]
  Index most = 0;
  const float* of(Index i) const { return weights.data() + i * most; }
};

/// Of outputs first .. first + n - 1 of `out` in all, made of `in` inputs.
Taps triangle(Index in, Index out, Index first, Index n) {
  const double scale = static_cast<double>(in) / static_cast<double>(out), width = std::max(scale, 1.0);
  Taps taps;
  taps.most = static_cast<Index>(std::ceil(width)) * 2 + 1;
  taps.weights.assign(n * taps.most, 0);
  for (Index i = 0; i < n; ++i) {
    const double centre = (static_cast<double>(first + i) + 0.5) * scale;
    const Index begin = std::max<Index>(0, static_cast<Index>(centre - width + 0.5)),
                end = std::min(in, static_cast<Index>(centre + width + 0.5));
    float* w = taps.weights.data() + i * taps.most;
    double sum = 0;
    const auto height = [&](Index k) {
      return std::max(0.0, 1 - std::abs((static_cast<double>(k) + 0.5 - centre) / width));
    };
    for (Index k = begin; k < end; ++k) sum += height(k);
    for (Index k = begin; k < end; ++k) w[k - begin] = static_cast<float>(height(k) / sum);
    taps.begin.push_back(begin);
    taps.count.push_back(end - begin);
  }
  return taps;
}

std::uint8_t to_byte(float value) { return static_cast<std::uint8_t>(std::min(value + 0.5F, 255.0F)); }

template <int C>
void scale_row(const std::uint8_t* in, const Taps& taps, Index n, int channels, std::uint8_t* out) {
  const int count = C > 0 ? C : channels;
  for (Index x = 0; x < n; ++x, out += count) {
    const std::uint8_t* from = in + taps.begin[x] * count;
    const float* w = taps.of(x);
    float sum[C > 0 ? C : 64] = {};
    for (Index k = 0; k < taps.count[x]; ++k, from += count)
      for (int c = 0; c < count; ++c) sum[c] += w[k] * static_cast<float>(from[c]);
    for (int c = 0; c < count; ++c) out[c] = to_byte(sum[c]);
  }
}

}  // namespace

void resize_bilinear(const PictureView& in, const Box& box, Index height, Index width, const Box& window,
                     std::uint8_t* out) {
  require(box.top >= 0 && box.left >= 0 && box.height > 0 && box.width > 0 &&
              box.top + box.height <= in.height && box.left + box.width <= in.width,
          "[resize] the box ({}, {}) of {}x{} is not within {}x{}", box.top, box.left, box.height, box.width,
          in.height, in.width);
  require(window.top >= 0 && window.left >= 0 && window.top + window.height <= height &&
              window.left + window.width <= width,
          "[resize] the window ({}, {}) of {}x{} is not within {}x{}", window.top, window.left, window.height,
          window.width, height, width);
  const int channels = in.channels;
  require(channels >= 1 && channels <= 64, "[resize] {} channels; 1 to 64 are possible", channels);
  const Taps across = triangle(box.width, width, window.left, window.width),
             down = triangle(box.height, height, window.top, window.height);
  // Rows first, rounded to bytes as Pillow does; only those that the window needs.
  const Index first = down.begin.front(), rows = down.begin.back() + down.count.back() - first,
              row_bytes = window.width * channels;
  thread_local std::vector<std::uint8_t> scaled;
  thread_local std::vector<float> sum;
  scaled.resize(rows * row_bytes);
  sum.resize(row_bytes);
  const auto scale = channels == 3 ? scale_row<3> : channels == 1 ? scale_row<1> : scale_row<0>;
  for (Index y = 0; y < rows; ++y)
    scale(in.pixels + ((box.top + first + y) * in.width + box.left) * channels, across, window.width,
          channels, scaled.data() + y * row_bytes);
  for (Index y = 0; y < window.height; ++y, out += row_bytes) {
    std::fill(sum.begin(), sum.end(), 0.0F);
    for (Index k = 0; k < down.count[y]; ++k) {
      const float w = down.of(y)[k];
      const std::uint8_t* row = scaled.data() + (down.begin[y] - first + k) * row_bytes;
      for (Index i = 0; i < row_bytes; ++i) sum[i] += w * static_cast<float>(row[i]);
    }
    for (Index i = 0; i < row_bytes; ++i) out[i] = to_byte(sum[i]);
  }
}

}  // namespace espalier
