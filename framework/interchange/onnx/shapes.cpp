// shapes.cpp: what moves numbers and changes none: reshapes, transposes, concatenation, parts of channels,
// padding.
#include <algorithm>
#include <cmath>

#include "framework/graph/pad_op.h"
#include "framework/interchange/onnx/importer.h"

namespace espalier::onnx {
namespace {

void pass_on(Call& c, const Operand& x) { c.importer.set(c.node.output[0], x); }

/// The operand under other dimensions of the same numbers in the same order, if that can be said without
/// computing.
void reshape_to(Call& c, Operand x, const Dims& dims) {
  if (product(dims) != product(x.dims))
    c.unsupported("[n, {}] cannot become [n, {}]", fmt::join(x.dims, ", "), fmt::join(dims, ", "));
  const auto set = [&](Form form) {
    x.dims = dims;
    x.form = form;
    pass_on(c, x);
  };
  if (dims == x.dims) return pass_on(c, x);
  Dims tail = dims;
  while (tail.size() > 1 && tail.back() == 1) tail.pop_back();
  const bool flat = tail.size() == 1;
  if (x.pooled && flat) return set(Form::image);
  switch (x.form) {
    case Form::flat:
      if (flat) return set(Form::flat);
      break;
    case Form::column:
      if (dims.size() == 2 && dims == Dims{x.dims[0], x.dims[1]}) return set(Form::line);
      if (!flat) break;
      [[fallthrough]];
    case Form::image:
    case Form::line: {
      const Shape s = c.importer.shape(x.value);
      if (flat && s[0] == 1 && s[1] == 1 && dims.size() > 1) return set(Form::image);  // [c] as [c, 1, 1]
      if (flat) {
        x.value = c.importer.add(c.importer.step_name(c), FlattenOp(), {c.importer.any(c, x)});
        x.pooled = false;
        return set(Form::flat);
      }
      if (dims.size() == 2 && s[0] == 1 && dims == Dims{s[2], s[1]}) return set(Form::line);
      if (x.form == Form::line && !x.pooled && dims == Dims{s[2], s[1], 1}) return set(Form::column);
      if (dims.size() == 3 && dims == Dims{s[2], s[0], s[1]}) return set(Form::image);
      if (dims.size() == 4 && dims[0] * dims[1] == s[2] && dims[2] == s[0] && dims[3] == s[1])
        return set(Form::grouped);
      break;
    }
    case Form::image_last:
      if (flat) return set(Form::flat_last);
      break;
    case Form::grouped:
    case Form::shuffled: {
      const Shape s = c.importer.shape(x.value);
      if (dims != Dims{s[2], s[0], s[1]}) break;
      if (x.form == Form::shuffled)  // [c / g, g, h, w]
        x.value = c.importer.add(c.importer.step_name(c), ShuffleChannelsOp(x.dims[1]), {x.value});
      return set(Form::image);
    }
    default:
      break;
  }
  c.unsupported(
      "[n, {}] as [n, {}] is not supported; flattening images, splitting channels into groups for a shuffle, "
      "and dimensions of 1 are",
      fmt::join(x.dims, ", "), fmt::join(dims, ", "));
}

void flatten(Call& c) {
  const Operand x = c.value(0);
  const std::int64_t axis = positive(c.integer("axis", 1), x.dims.size() + 1);
  if (axis != 1) c.unsupported("its attribute axis is {}; only 1 is supported", axis);
  reshape_to(c, x, {product(x.dims)});
}

void reshape_node(Call& c) {
  const Operand x = c.value(0);
  const bool literal = c.integer("allowzero", 0) != 0;
  c.ignore("consumed_inputs");
  const Dims target = c.integers_at("shape", 1).value_or(Dims{});
  if (target.size() < 2)
    c.unsupported("its shape [{}] has no place for the examples", fmt::join(target, ", "));
  Dims dims(target.begin() + 1, target.end());
  std::int64_t rest = 1, open = -1;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 0 && !literal && i < x.dims.size()) dims[i] = x.dims[i];
    if (dims[i] == -1 && open < 0) {
      open = static_cast<std::int64_t>(i);
    } else if (dims[i] < 1 || __builtin_mul_overflow(rest, dims[i], &rest)) {
      c.unsupported("its shape [{}] holds {}", fmt::join(target, ", "), dims[i]);
    }
  }
  if (open >= 0) dims[open] = product(x.dims) / rest;
  const bool examples =
      c.importer.is_batch(target[0]) || (target[0] == 0 && !literal) || (target[0] == -1 && open < 0);
  if (!examples || product(dims) != product(x.dims))
    c.unsupported("its shape [{}] mixes the examples of [n, {}]; the first dimension must stay",
                  target[0] == unknown_batch ? "n" : fmt::format("{}", fmt::join(target, ", ")),
                  fmt::join(x.dims, ", "));
  reshape_to(c, x, dims);
}

void squeeze_node(Call& c) {
  const Operand x = c.value(0);
  const std::optional<Dims> axes = c.integers_at("axes", 1);
  const std::size_t rank = x.dims.size() + 1;
  if (!axes) c.unsupported("it has no axes; which dimensions go must be said");
  Dims dims;
  for (std::size_t a = 1; a < rank; ++a) {
    const bool named = std::any_of(axes->begin(), axes->end(), [&](std::int64_t v) {
      return positive(v, rank) == static_cast<std::int64_t>(a);
    });
    if (named && x.dims[a - 1] != 1) c.unsupported("axis {} of [n, {}] is not 1", a, fmt::join(x.dims, ", "));
    if (!named) dims.push_back(x.dims[a - 1]);
  }
  if (std::any_of(axes->begin(), axes->end(), [&](std::int64_t v) { return positive(v, rank) == 0; }) ||
      dims.empty())
    c.unsupported("its axes [{}] leave no place for the examples", fmt::join(*axes, ", "));
  reshape_to(c, x, dims);
}

void unsqueeze_node(Call& c) {
  const Operand x = c.value(0);
  Dims axes = c.integers_at("axes", 1).value_or(Dims{}), dims = x.dims;
  const std::size_t rank = x.dims.size() + 1 + axes.size();
  for (std::int64_t& a : axes) a = positive(a, rank);
  std::sort(axes.begin(), axes.end());
  for (const std::int64_t a : axes) {
    if (a < 1 || a > static_cast<std::int64_t>(dims.size()) + 1)
      c.unsupported("its axis {} is outside or 0", a);
    dims.insert(dims.begin() + a - 1, 1);
  }
  reshape_to(c, x, dims);
}

void transpose_node(Call& c) {
  Operand x = c.value(0);
  Dims perm = c.integers("perm");
  const std::size_t rank = x.dims.size() + 1;
  if (perm.empty())
    for (std::size_t a = rank; a-- > 0;) perm.push_back(static_cast<std::int64_t>(a));
  Dims sorted = perm;
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t a = 0; a < sorted.size(); ++a)
    if (perm.size() != rank || sorted[a] != static_cast<std::int64_t>(a))
      c.unsupported("its attribute perm [{}] is none of [n, {}]", fmt::join(perm, ", "),
                    fmt::join(x.dims, ", "));
  Dims dims;
  for (std::size_t a = 1; a < rank; ++a) dims.push_back(perm[a] == 0 ? 0 : x.dims[perm[a] - 1]);
  if (std::is_sorted(perm.begin(), perm.end())) return pass_on(c, x);
  const Form before = x.form;
  if (x.pooled && perm[0] == 0) {
    x.value = c.importer.image(c, x);
    x.pooled = false;
  }
  if (before == Form::image && perm == Dims{0, 2, 3, 1})
    x.form = Form::image_last;
  else if (before == Form::image_last && perm == Dims{0, 3, 1, 2})
    x.form = Form::image;
  else if (before == Form::grouped && perm == Dims{0, 2, 1, 3, 4})
    x.form = Form::shuffled;
  else
    c.unsupported(
        "its attribute perm is [{}]; supported are the ways between [n, c, h, w] and [n, h, w, c], and a "
        "channel shuffle [n, g, c / g, h, w]",
        fmt::join(perm, ", "));
  x.dims = dims;
  pass_on(c, x);
}

/// Zeros around an image wait for the layer that takes them into its own padding; for other readers they are a step.
void pad(Call& c) {
  Operand x = c.value(0);
  const std::string mode = c.text("mode", "constant");
  const Dims pads = c.integers_at("pads", 1).value_or(Dims{});
  const double value = c.real_at("value", 2).value_or(0);
  if (c.has(3)) c.unsupported("its input axes is not supported; all axes are");
  const std::size_t rank = x.dims.size() + 1;
  if (pads.size() != 2 * rank)
    c.unsupported("it has {} pads for [n, {}]", pads.size(), fmt::join(x.dims, ", "));
  if (std::all_of(pads.begin(), pads.end(), [](std::int64_t p) { return p == 0; })) return pass_on(c, x);
  if (mode != "constant" || value != 0)
    c.unsupported("its mode is '{}' with {}; zeros are supported", mode, value);
  const bool line = x.form == Form::line;
  if ((!line && x.form != Form::image) || x.dims.size() != (line ? 2U : 3U) || x.pooled)
    c.unsupported("its input [n, {}] is no image", fmt::join(x.dims, ", "));
  for (const std::size_t a : {std::size_t{0}, std::size_t{1}})
    if (pads[a] != 0 || pads[a + rank] != 0)
      c.unsupported("it pads examples or channels; only pixels are supported");
  for (const std::int64_t p : pads)
    if (p < 0 || p > (1 << 20)) c.unsupported("its pads hold {}; they must be from 0 to 2^20", p);
  const Dims own = line ? Dims{0, pads[2], 0, pads[5]} : Dims{pads[2], pads[3], pads[6], pads[7]};
  if (x.pads.empty()) x.pads.assign(4, 0);
  for (std::size_t i = 0; i < 4; ++i) x.pads[i] += own[i];
  for (std::size_t a = 1; a < x.dims.size(); ++a) {
    const std::size_t side = line ? 1 : a - 1;
    x.dims[a] += own[side] + own[side + 2];
  }
  const std::vector<const NodeProto*> readers = c.importer.readers(c.node.output[0]);
  const bool taken = std::all_of(readers.begin(), readers.end(), [](const NodeProto* n) {
    return n->op_type == "Conv" || n->op_type == "AveragePool" || n->op_type == "Pad";
  });
  if (!taken || c.importer.is_output(c.node.output[0])) {
    const PadOp op(x.pads[0], x.pads[1], x.pads[2], x.pads[3]);
    x.value = c.importer.add(c.importer.step_name(c), op, {x.value});
    x.pads.clear();
  }
  pass_on(c, x);
}

void dropout(Call& c) {
  Operand x = c.value(0);
  c.ignore("seed"), c.ignore("is_test"), c.ignore("consumed_inputs");
  DropoutOp op;
  op.rate = c.real_at("ratio", 1).value_or(0.5);
  if (c.has(2) && c.constant(2, "training_mode")->real(0) != 0)
    c.unsupported("it is in training mode; export the network after model.eval()");
  if (op.rate < 0 || op.rate >= 1)
    c.unsupported("its ratio is {}; it must be at least 0 and below 1", op.rate);
  if (op.rate == 0 || !x.pads.empty()) return pass_on(c, x);
  x.value = c.importer.add(c.importer.step_name(c), op, {c.importer.any(c, x)});
  x.pooled = false;
  pass_on(c, x);
}

void cast_node(Call& c) {
  const std::int64_t to = c.integer("to", 0);
  c.ignore("saturate");
  if (to != FLOAT && to != FLOAT16 && to != DOUBLE && to != BFLOAT16)
    c.unsupported("it makes whole numbers of the network's values; only floats are supported");
  if ((to == FLOAT16 || to == BFLOAT16) && c.importer.is_output(c.node.output[0]))
    c.unsupported("it rounds the network's output to 16 bits; outputs are float32 here");
  pass_on(c, c.value(0));
}

}  // namespace

void add_shapes(std::map<std::string, Handler, std::less<>>& table) {
  table["Flatten"] = flatten;
  table["Reshape"] = reshape_node;
  table["Squeeze"] = squeeze_node;
  table["Unsqueeze"] = unsqueeze_node;
  table["Transpose"] = transpose_node;
  table["Pad"] = pad;
  table["Dropout"] = dropout;
  table["Cast"] = cast_node;
  table["Identity"] = [](Call& c) { pass_on(c, c.value(0)); };
}

}  // namespace espalier::onnx
