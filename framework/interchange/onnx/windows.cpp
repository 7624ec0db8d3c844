#include "framework/interchange/onnx/windows.h"

#include <algorithm>

namespace espalier::onnx {
namespace {

constexpr std::int64_t most = 1 << 20;  // pixels: no window or step is larger

/// One number for each axis of the image; a line has one axis, its columns.
std::array<std::int64_t, 2> pair_of(const Call& c, const char* name, const Dims& values, bool line,
                                    std::int64_t other) {
  const std::size_t wanted = line ? 1 : 2;
  if (values.empty()) return {other, other};
  if (values.size() != wanted)
    c.unsupported("its attribute {} has {} numbers; {} are supported (2-D, and 1-D as one row)", name,
                  values.size(), wanted);
  for (const std::int64_t v : values)
    if (v < 1 || v > most) c.unsupported("its attribute {} holds {}; it must be from 1 to {}", name, v, most);
  return line ? std::array<std::int64_t, 2>{1, values[0]} : std::array<std::int64_t, 2>{values[0], values[1]};
}

Dims dims_of(const Importer& importer, ValueId id, Form form) {
  const Shape& s = importer.shape(id);
  if (form == Form::line) return {s[2], s[1]};
  if (form == Form::column) return {s[2], s[1], 1};
  return {s[2], s[0], s[1]};
}

}  // namespace

Window window_of(Call& c, const Operand& x, const Dims& weight_kernel) {
  const bool line = x.form == Form::line;
  if (x.dims.size() != (line ? 2 : 3))
    c.unsupported("its input [n, {}] is no image", fmt::join(x.dims, ", "));
  Window w;
  const Dims kernel = c.integers("kernel_shape", weight_kernel);
  if (kernel.empty()) c.unsupported("it has no kernel_shape");
  if (!weight_kernel.empty() && kernel != weight_kernel)
    c.unsupported("its kernel_shape [{}] is not that of its weight", fmt::join(kernel, ", "));
  w.kernel = pair_of(c, "kernel_shape", kernel, line, 1);
  w.stride = pair_of(c, "strides", c.integers("strides"), line, 1);
  w.dilation = pair_of(c, "dilations", c.integers("dilations"), line, 1);
  if (line) w.stride[0] = w.dilation[0] = 1;
  const std::string way = c.text("auto_pad", "NOTSET");
  const Dims pads = c.integers("pads");
  const std::size_t axes = line ? 1 : 2;
  if (way == "SAME_UPPER" || way == "SAME_LOWER") {
    for (std::size_t a = line ? 1 : 0; a < 2; ++a) {  // as many windows as there are strides in the image
      const std::int64_t in = line ? x.dims[1] : x.dims[a + 1], out = (in + w.stride[a] - 1) / w.stride[a];
      const std::int64_t total =
          std::max<std::int64_t>((out - 1) * w.stride[a] + (w.kernel[a] - 1) * w.dilation[a] + 1 - in, 0);
      const std::int64_t less = total / 2;
      w.pad[a] = way == "SAME_UPPER" ? less : total - less;
      w.pad[a + 2] = total - w.pad[a];
    }
  } else if (way != "NOTSET" && way != "VALID") {
    c.unsupported("its attribute auto_pad is '{}'; NOTSET, VALID, SAME_UPPER and SAME_LOWER are supported",
                  way);
  } else if (way == "NOTSET" && !pads.empty()) {
    if (pads.size() != 2 * axes) c.unsupported("its attribute pads has {} numbers", pads.size());
    for (const std::int64_t p : pads)
      if (p < 0 || p > most) c.unsupported("its attribute pads holds {}; it must be from 0 to {}", p, most);
    w.pad = line ? std::array<std::int64_t, 4>{0, pads[0], 0, pads[1]}
                 : std::array<std::int64_t, 4>{pads[0], pads[1], pads[2], pads[3]};
  }
  return w;
}

void set_image(Call& c, const std::string& name, ValueId id, Form form) {
  c.importer.set(name, {.constant = nullptr,
                        .value = id,
                        .dims = dims_of(c.importer, id, form),
                        .form = form,
                        .pads = {},
                        .pooled = false});
}

}  // namespace espalier::onnx
