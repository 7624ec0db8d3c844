// layers.cpp: convolutions, linear layers, batch norm, poolings.
#include <algorithm>
#include <array>

#include "framework/interchange/onnx/importer.h"

namespace espalier::onnx {
namespace {

/// A window that slides over an image: rows, then columns.
struct Window {
  std::array<std::int64_t, 2> kernel{1, 1}, stride{1, 1}, dilation{1, 1};
  std::array<std::int64_t, 4> pad{};  ///< top, left, bottom, right
};

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

Window window_of(Call& c, const Operand& x, const Dims& weight_kernel = {}) {
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

Dims dims_of(const Importer& importer, ValueId id, Form form) {
  const Shape& s = importer.shape(id);
  if (form == Form::line) return {s[2], s[1]};
  return {s[2], s[0], s[1]};
}

void set_image(Call& c, const std::string& name, ValueId id, Form form) {
  c.importer.set(name, {.constant = nullptr,
                        .value = id,
                        .dims = dims_of(c.importer, id, form),
                        .form = form,
                        .pads = {},
                        .pooled = false});
}

/// Scales rows of `weight` and adds to `bias`, which is made if it has to be.
void apply(const Affine& a, std::int64_t rows, std::vector<float>& weight, std::vector<float>& bias) {
  const auto at = [](const std::vector<double>& v, std::int64_t i) { return v[v.size() == 1 ? 0 : i]; };
  const bool shifts = std::any_of(a.shift.begin(), a.shift.end(), [](double v) { return v != 0; });
  const std::int64_t columns = rows == 0 ? 0 : static_cast<std::int64_t>(weight.size()) / rows;
  if (bias.empty() && shifts) bias.assign(rows, 0.0F);
  for (std::int64_t r = 0; r < rows; ++r) {
    if (!bias.empty()) bias[r] = static_cast<float>(bias[r] * at(a.scale, r) + at(a.shift, r));
    if (at(a.scale, r) != 1)
      for (std::int64_t k = 0; k < columns; ++k)
        weight[r * columns + k] = static_cast<float>(weight[r * columns + k] * at(a.scale, r));
  }
}

void conv(Call& c) {
  Operand x = c.value(0);
  const ConstantPtr w = c.constant(1, "weight");
  const bool line = x.form == Form::line;
  const std::size_t rank = line ? 3 : 4;
  if (w->whole || w->dims.size() != rank)
    c.unsupported(
        "its weight has the shape [{}]; images take [out, in / group, h, w], lines [out, in / group, l]",
        fmt::join(w->dims, ", "));
  const Dims kernel(w->dims.begin() + 2, w->dims.end());
  const Operand shape_only = x;
  if (x.pooled) x.value = c.importer.image(c, x);
  Window win = window_of(c, shape_only, kernel);
  for (std::size_t i = 0; i < x.pads.size(); ++i) win.pad[i] += x.pads[i];
  x.pads.clear();
  const std::int64_t group = c.integer("group", 1), out = w->dims[0], in = w->dims[1];
  if (group < 1 || out % group != 0 || in * group != x.dims[0])
    c.unsupported("its weight [{}] in {} groups does not suit {} channels", fmt::join(w->dims, ", "), group,
                  x.dims[0]);
  ConvOp op;
  op.out = out;
  op.kernel_h = win.kernel[0], op.kernel_w = win.kernel[1];
  op.stride_h = win.stride[0], op.stride_w = win.stride[1];
  op.dilation_h = win.dilation[0], op.dilation_w = win.dilation[1];
  op.pad_top = win.pad[0], op.pad_left = win.pad[1], op.pad_bottom = win.pad[2], op.pad_right = win.pad[3];
  op.groups = group;
  const std::int64_t pixels = win.kernel[0] * win.kernel[1];
  std::vector<float> weight(w->reals.size()), bias;
  for (std::int64_t o = 0; o < out; ++o)  // OIHW -> OHWI
    for (std::int64_t i = 0; i < in; ++i)
      for (std::int64_t p = 0; p < pixels; ++p)
        weight[(o * pixels + p) * in + i] = w->reals[(o * in + i) * pixels + p];
  if (c.has(2)) {
    const ConstantPtr b = c.constant(2, "bias");
    if (b->whole || b->size() != out) c.unsupported("its bias has {} values for {} channels", b->size(), out);
    bias = b->reals;
  }
  std::string name = c.node.output[0];
  Operand y;
  y.form = x.form;
  y.dims = Dims(x.dims.size(), 2);  // its channels are what matters
  y.dims[0] = out;
  apply(c.importer.absorb(name, y), out, weight, bias);
  op.bias = !bias.empty();
  std::vector<std::vector<float>> weights{std::move(weight)};
  if (op.bias) weights.push_back(std::move(bias));
  const std::string step = c.importer.step_name(c, w.get());
  const ValueId id =
      c.importer.add(step, op, {x.pooled ? x.value : c.importer.image(c, x)}, std::move(weights));
  set_image(c, name, id, x.form);
}

/// `weight` [out, in] row by row, its columns in the order of the ONNX value.
void linear(Call& c, const Operand& x, const Constant& source, std::int64_t out, std::vector<float> weight,
            std::vector<float> bias) {
  const std::int64_t in = product(x.dims);
  ValueId id = -1;
  const std::string step = c.importer.step_name(c, &source);
  if (x.form == Form::flat_last) {  // columns h, w, c; ours are c, h, w
    const Shape s = c.importer.shape(x.value);
    std::vector<float> ours(weight.size());
    for (std::int64_t o = 0; o < out; ++o)
      for (std::int64_t p = 0; p < s[0] * s[1]; ++p)
        for (std::int64_t k = 0; k < s[2]; ++k)
          ours[o * in + k * s[0] * s[1] + p] = weight[o * in + p * s[2] + k];
    weight = std::move(ours);
    id = c.importer.add(step + ".flatten", FlattenOp(), {x.value});
    c.importer.note(fmt::format("The columns of '{}' were put in the order channel, row, column.", step));
  } else {
    id = c.importer.features(c, x);
  }
  std::string name = c.node.output[0];
  Operand y;
  y.form = Form::flat;
  y.dims = {out};
  apply(c.importer.absorb(name, y), out, weight, bias);
  LinearOp op;
  op.out = out;
  op.bias = !bias.empty();
  std::vector<std::vector<float>> weights{std::move(weight)};
  if (op.bias) weights.push_back(std::move(bias));
  y.value = c.importer.add(step, op, {id}, std::move(weights));
  c.importer.set(name, y);
}

/// The matrix as [out, in]; `transposed`: it is so already.
std::vector<float> rows_of(const Constant& b, bool transposed, double factor) {
  std::vector<float> w(b.reals.size());
  const std::int64_t rows = b.dims[0], columns = b.dims[1];
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t k = 0; k < columns; ++k)
      w[transposed ? r * columns + k : k * rows + r] = static_cast<float>(factor * b.reals[r * columns + k]);
  return w;
}

void require_matrix(const Call& c, const Constant& b, std::int64_t in, bool transposed) {
  if (b.whole || b.dims.size() != 2 || b.dims[transposed ? 1 : 0] != in)
    c.unsupported("its weight [{}] does not suit {} features", fmt::join(b.dims, ", "), in);
}

void gemm(Call& c) {
  const Operand x = c.value(0);
  const ConstantPtr b = c.constant(1, "weight");
  const bool transposed = c.integer("transB", 0) != 0;
  if (c.integer("transA", 0) != 0) c.unsupported("its attribute transA is 1; only 0 is supported");
  c.ignore("broadcast");
  const double alpha = c.real("alpha", 1), beta = c.real("beta", 1);
  require_matrix(c, *b, product(x.dims), transposed);
  const std::int64_t out = b->dims[transposed ? 0 : 1];
  std::vector<float> bias;
  if (c.has(2)) {
    const ConstantPtr added = c.constant(2, "bias");
    const bool fits =
        !added->whole && (added->size() == 1 || (added->size() == out && added->dims.back() == out));
    if (!fits) c.unsupported("its bias [{}] does not suit {} features", fmt::join(added->dims, ", "), out);
    bias.resize(out);
    for (std::int64_t o = 0; o < out; ++o)
      bias[o] = static_cast<float>(beta * added->reals[added->size() == 1 ? 0 : o]);
  }
  linear(c, x, *b, out, rows_of(*b, transposed, alpha), std::move(bias));
}

void matmul(Call& c) {
  const Operand x = c.value(0);
  const ConstantPtr b = c.constant(1, "weight");
  require_matrix(c, *b, product(x.dims), false);
  linear(c, x, *b, b->dims[1], rows_of(*b, false, 1), {});
}

void batch_norm(Call& c) {
  Operand x = c.value(0);
  for (const char* before : {"momentum", "is_test", "consumed_inputs"}) c.ignore(before);
  if (c.integer("spatial", 1) != 1) c.unsupported("its attribute spatial is 0; only 1 is supported");
  if (c.integer("training_mode", 0) != 0)
    c.unsupported("it is in training mode; export the network after model.eval()");
  BatchNormOp op;
  op.epsilon = c.real("epsilon", 1e-5);
  if (x.form == Form::image_last || x.form == Form::grouped || x.form == Form::shuffled)
    c.unsupported("its channels are not on axis 1 of an image");
  const std::int64_t channels = x.dims.empty() ? 0 : x.dims[0];
  std::vector<std::vector<float>> weights;
  constexpr const char* what[] = {"scale", "shift", "mean", "variance"};
  for (std::size_t i = 0; i < 4; ++i) {
    const ConstantPtr v = c.constant(i + 1, what[i]);
    if (v->whole || v->size() != channels)
      c.unsupported("its {} has {} values for {} channels", what[i], v->size(), channels);
    weights.push_back(v->reals);
  }
  if (std::any_of(weights[3].begin(), weights[3].end(), [](float v) { return v < 0; }))
    c.unsupported("its variance '{}' is negative somewhere", c.node.input[4]);
  const ConstantPtr scale = c.constant(1, "scale");
  x.value =
      c.importer.add(c.importer.step_name(c, scale.get()), op, {c.importer.any(c, x)}, std::move(weights));
  x.pooled = false;
  c.importer.set(c.node.output[0], x);
}

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
  const ValueId id = c.importer.image(c, source);
  auto& settings = op.pool;
  settings.kernel_h = w.kernel[0], settings.kernel_w = w.kernel[1];
  settings.stride_h = w.stride[0], settings.stride_w = w.stride[1];
  settings.pad_top = w.pad[0], settings.pad_left = w.pad[1];
  settings.pad_bottom = w.pad[2], settings.pad_right = w.pad[3];
  settings.ceil = up;
  if constexpr (requires { op.count_padding; }) op.count_padding = count_padding || !x.pads.empty();
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

void add_layers(std::map<std::string, Handler, std::less<>>& table) {
  table["Conv"] = conv;
  table["Gemm"] = gemm;
  table["MatMul"] = matmul;
  table["BatchNormalization"] = batch_norm;
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
