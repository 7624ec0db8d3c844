// layers.cpp: what has weights: convolutions, linear layers, batch norm.
#include <algorithm>

#include "framework/interchange/onnx/windows.h"

namespace espalier::onnx {
namespace {

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

}  // namespace

void add_layers(std::map<std::string, Handler, std::less<>>& table) {
  table["Conv"] = conv;
  table["Gemm"] = gemm;
  table["MatMul"] = matmul;
  table["BatchNormalization"] = batch_norm;
}

}  // namespace espalier::onnx
