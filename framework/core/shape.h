// shape.h: the extent of a tensor along up to four axes. Images are NHWC, convolution weights OHWI.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string>

#include "framework/core/check.h"
#include "framework/core/real.h"

namespace espalier {

/// A number along the height and one along the width of images, most often the same.
struct Extent2 {
  Index h, w;
  constexpr Extent2(Index both) : h(both), w(both) {}  // NOLINT(google-explicit-constructor): {.stride = 2}
  constexpr Extent2(Index height, Index width) : h(height), w(width) {}
  bool operator==(const Extent2&) const = default;
};
/// Pixels around an image.
struct Border {
  Index top, left, bottom, right;
  constexpr Border(Index all) : top(all), left(all), bottom(all), right(all) {}  // NOLINT: {.pad = 1}
  constexpr Border(Index t, Index l, Index b, Index r) : top(t), left(l), bottom(b), right(r) {}
  bool operator==(const Border&) const = default;
};

class Shape {
 public:
  static constexpr int max_rank = 4;
  Shape() = default;
  Shape(std::initializer_list<Index> extents) {
    require(extents.size() <= max_rank, "[shape] has {} axes; at most {} are supported", extents.size(),
            max_rank);
    for (Index e : extents) {
      require(e >= 0, "[shape] axis {} has the negative extent {}", rank_, e);
      extents_[rank_++] = e;
    }
    check_size();
  }
  int rank() const { return rank_; }
  /// Extent of `axis`; negative axes count from the end, as in Python.
  Index operator[](int axis) const { return extents_[axis < 0 ? axis + rank_ : axis]; }
  Index size() const {
    Index product = 1;
    for (int a = 0; a < rank_; ++a) product *= (*this)[a];
    return product;
  }
  /// The same shape with another extent on axis 0, the axis of examples.
  Shape with_examples(Index n) const {
    Shape s = *this;
    s.extents_[0] = n;
    s.check_size();
    return s;
  }
  /// Number of values of one example: the product over all axes but the first.
  Index example_size() const {
    Index product = 1;
    for (int a = 1; a < rank_; ++a) product *= (*this)[a];
    return product;
  }
  bool operator==(const Shape& other) const {
    if (rank_ != other.rank_) return false;
    for (int a = 0; a < rank_; ++a)
      if ((*this)[a] != other[a]) return false;
    return true;
  }
  std::string str() const {
    std::string s = "{";
    for (int a = 0; a < rank_; ++a) {
      if (a > 0) s += ',';
      s += std::to_string((*this)[a]);  // not "," + ...: g++ 12 then warns of an overlap that cannot be
    }
    s += '}';
    return s;
  }

 private:
  /// So that no product of extents overflows, nor a sum of sizes: 2^48 values are 1 PB.
  void check_size() const {
    Index product = 1;
    for (int a = 0; a < rank_; ++a) {
      const Index e = std::max<Index>((*this)[a], 1);
      if (e > most_values / product)
        fail(ExitCode::memory,
             "[shape] an array of {} has more than 2^48 values; use smaller layers, images or batches",
             str());
      product *= e;
    }
  }
  static constexpr Index most_values = Index{1} << 48;
  std::array<Index, max_rank> extents_{};
  int rank_ = 0;
};

}  // namespace espalier

template <>
struct fmt::formatter<espalier::Shape> : fmt::formatter<std::string> {
  auto format(const espalier::Shape& s, fmt::format_context& ctx) const {
    return fmt::formatter<std::string>::format(s.str(), ctx);
  }
};
