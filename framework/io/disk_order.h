// disk_order.h: tensors in files have PyTorch's order: kernels OIHW, where memory has OHWI. All others are
// the same in both.
#pragma once

#include <cstdint>
#include <vector>

#include "framework/core/shape.h"

namespace espalier {

inline std::vector<std::int64_t> disk_shape(const Shape& s) {
  if (s.rank() == 4) return {s[0], s[3], s[1], s[2]};
  std::vector<std::int64_t> shape;
  for (int a = 0; a < s.rank(); ++a) shape.push_back(s[a]);
  return shape;
}

/// Calls fn(index in memory, index on disk) for every value of a tensor whose shape in memory is `s`.
template <class Fn>
void for_each_value(const Shape& s, Fn fn) {
  if (s.rank() != 4) {
    for (Index i = 0; i < s.size(); ++i) fn(i, i);
    return;
  }
  for (Index o = 0, m = 0; o < s[0]; ++o)
    for (Index h = 0; h < s[1]; ++h)
      for (Index w = 0; w < s[2]; ++w)
        for (Index i = 0; i < s[3]; ++i, ++m) fn(m, ((o * s[3] + i) * s[1] + h) * s[2] + w);
}

}  // namespace espalier
