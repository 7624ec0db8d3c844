// rules.h: rules about shapes that several ops share. The builder says which step breaks them.
#pragma once

#include <span>

#include "framework/core/shape.h"

namespace espalier::rules {

inline const Shape& image(const Shape& in) {
  if (in.rank() != 3)
    fail(ExitCode::config, "needs images {{height, width, channels}}; move it before flatten");
  return in;
}

inline Index windows(const char* side, Index extent, Index window, Index stride) {
  if (extent < window)
    fail(ExitCode::config, "has a window {} pixels in {}, which is larger than its input of {}", window, side,
         extent);
  return (extent - window) / stride + 1;
}

inline void same_shape(std::span<const Shape> in) {
  for (const Shape& s : in)
    if (!(s == in[0]))
      fail(ExitCode::config, "needs inputs of one shape; they must agree, and {} and {} do not", in[0], s);
}

}  // namespace espalier::rules
