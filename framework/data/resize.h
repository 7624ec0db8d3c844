// resize.h: pictures scaled by a triangle filter that widens as a picture shrinks (antialiased bilinear), as
// Pillow and with it torchvision's transforms do it. Agreement with Pillow 9.4: tests/data/resize_test.cpp.
#pragma once

#include <cstdint>

#include "framework/core/real.h"

namespace espalier {

/// Bytes [height, width, channels] that somebody else owns.
struct PictureView {
  const std::uint8_t* pixels = nullptr;
  int height = 0, width = 0, channels = 0;
};

struct Box {
  Index top = 0, left = 0, height = 0, width = 0;
};

/// Scales the part `box` of `in` to height x width pixels, and writes those in `window` of them to
/// out[window.height, window.width, channels]. Nothing outside of the box is looked at, and no more is computed than
/// the window shows. `box` must lie in `in`, `window` in the result. A function of its arguments to the last bit.
void resize_bilinear(const PictureView& in, const Box& box, Index height, Index width, const Box& window,
                     std::uint8_t* out);

}  // namespace espalier
