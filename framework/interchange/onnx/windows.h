// windows.h: what convolutions and poolings have in common: the window that slides over an image or a line.
#pragma once

#include <array>

#include "framework/interchange/onnx/importer.h"

namespace espalier::onnx {

/// A window that slides over an image: rows, then columns.
struct Window {
  std::array<std::int64_t, 2> kernel{1, 1}, stride{1, 1}, dilation{1, 1};
  std::array<std::int64_t, 4> pad{};  ///< top, left, bottom, right
};

/// From the attributes kernel_shape, strides, dilations, pads and auto_pad. `weight_kernel`: what a weight's
/// shape says.
Window window_of(Call& call, const Operand& x, const Dims& weight_kernel = {});

/// The value `id` is an image or a line called `name` in the ONNX graph.
void set_image(Call& call, const std::string& name, ValueId id, Form form);

}  // namespace espalier::onnx
