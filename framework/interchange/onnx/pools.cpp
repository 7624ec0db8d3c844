// pools.cpp: poolings, and means over all pixels.
#include <algorithm>

#include "framework/interchange/onnx/windows.h"

namespace espalier::onnx {
namespace {

/// Windows of a pooling: ceil_mode lets the last one begin in the image and end after it.
template <class PoolOp>
void pool(Call& c, PoolOp op, bool average) {
  const Operand x = c.value(0);
  Window w = window_of(c, x);
  const bool up = c.integer("ceil_mode", 0) != 0;
  if (w.dilation != std::array<std::int64_t, 2>{1, 1}) c.unsupported("its attribute dilations is not 1");
  const bool count_padding = average && c.integer("count_include_pad", 0) != 0;
  if (!x.pads.empty()) {
    // Zeros of a Pad count in a mean. In a maximum they would be values, unlike a pooling's own padding.
    const bool own = w.pad != std::array<std::int64_t, 4>{};
    if (!average || (own && !count_padding))
      c.unsupported("it follows a Pad of zeros, which it does not count as it must");
  }
  for (std::size_t i = 0; i < x.pads.size(); ++i) w.pad[i] += x.pads[i];
  Operand source = x;
  source.pads.clear();
  if (x.form == Form::column) {  // its rows are our columns
    std::swap(w.kernel[0], w.kernel[1]), std::swap(w.stride[0], w.stride[1]);
    std::swap(w.pad[0], w.pad[1]), std::swap(w.pad[2], w.pad[3]);
    source.form = Form::image;
  }
  const ValueId id = c.importer.image(c, source);
  auto& settings = op.pool;
  settings.kernel_h = w.kernel[0], settings.kernel_w = w.kernel[1];
  settings.stride_h = w.stride[0], settings.stride_w = w.stride[1];
  settings.pad_top = w.pad[0], settings.pad_left = w.pad[1];
  settings.pad_bottom = w.pad[2], settings.pad_right = w.pad[3];
  settings.ceil_mode = up;
  settings.count_include_pad = count_padding || !x.pads.empty();
  set_image(c, c.node.output[0], c.importer.add(c.importer.step_name(c), op, {id}), x.form);
}

void global_average(Call& c) {
  Operand x = c.value(0);
  if (!x.pads.empty() || x.pooled) x.value = c.importer.any(c, x);
  if (x.form != Form::image && x.form != Form::line) c.unsupported("its input is no image");
  std::fill(x.dims.begin() + 1, x.dims.end(), 1);
  x.pooled = true;
  c.importer.set(c.node.output[0], x);
}

void reduce_mean(Call& c) {
  Operand x = c.value(0);
  const std::size_t rank = x.dims.size() + 1;
  Dims axes = c.integers_at("axes", 1).value_or(Dims{});
  c.ignore("noop_with_empty_axes");
  const bool keep = c.integer("keepdims", 1) != 0;
  for (std::int64_t& a : axes) a = positive(a, rank);
  std::sort(axes.begin(), axes.end());
  const bool image = (x.form == Form::image && axes == Dims{2, 3}) ||
                     (x.form == Form::line && axes == Dims{2}) ||
                     (x.form == Form::image_last && axes == Dims{1, 2} && !keep);
  if (!image || x.pooled)
    c.unsupported("its axes are [{}] of [n, {}]; the mean over all pixels is supported",
                  fmt::join(axes, ", "), fmt::join(x.dims, ", "));
  x.value = c.importer.any(c, x);
  const std::int64_t channels = c.importer.shape(x.value)[2];
  x.dims = keep ? Dims(x.dims.size(), 1) : Dims{1};
  x.dims[0] = channels;
  x.form = x.form == Form::line ? Form::line : Form::image;
  x.pooled = true;
  c.importer.set(c.node.output[0], x);
}

void global_max(Call& c) {
  const Operand x = c.value(0);
  const ValueId id = c.importer.image(c, x);
  MaxPoolOp op;
  op.pool.kernel_h = c.importer.shape(id)[0];
  op.pool.kernel_w = c.importer.shape(id)[1];
  set_image(c, c.node.output[0], c.importer.add(c.importer.step_name(c), op, {id}), x.form);
}

}  // namespace

void add_pools(std::map<std::string, Handler, std::less<>>& table) {
  table["MaxPool"] = [](Call& c) {
    if (c.integer("storage_order", 0) != 0)
      c.unsupported("its attribute storage_order is 1; only 0 is supported");
    pool(c, MaxPoolOp(), false);
  };
  table["AveragePool"] = [](Call& c) { pool(c, AveragePoolOp(), true); };
  table["GlobalAveragePool"] = global_average;
  table["GlobalMaxPool"] = global_max;
  table["ReduceMean"] = reduce_mean;
}

}  // namespace espalier::onnx
