// elementwise.cpp: activations, also those that exporters spell out in simpler ops; sums and products.
#include <algorithm>
#include <cmath>

#include "framework/interchange/onnx/importer.h"

namespace espalier::onnx {
namespace {

using Kind = Activation::Kind;

bool near(double a, double b) { return std::abs(a - b) <= 1e-3 * std::abs(b); }

/// The other input of a node with two, one of which is `name`; empty if it is not so.
std::string other_input(const NodeProto& node, const std::string& name) {
  if (node.input.size() != 2) return {};
  if (node.input[0] == name) return node.input[1];
  return node.input[1] == name ? node.input[0] : std::string();
}

/// The single number that `node` of type `op` combines `name` with.
std::optional<double> scalar(Importer& importer, const NodeProto* node, const char* op,
                             const std::string& name) {
  if (!node || node->op_type != op) return std::nullopt;
  if (node->op_type == "Div" && node->input[0] != name) return std::nullopt;
  const std::string other = other_input(*node, name);
  const ConstantPtr c = other.empty() ? nullptr : importer.find_constant(other);
  return c && c->size() == 1 ? std::optional(c->real(0)) : std::nullopt;
}

/// "x / d", or the same as a product.
bool divides_by(Importer& importer, const NodeProto* node, const std::string& name, double d) {
  const auto by = scalar(importer, node, "Div", name), times = scalar(importer, node, "Mul", name);
  return (by && near(*by, d)) || (times && near(*times, 1 / d));
}

std::optional<std::pair<double, double>> clip_bounds(Importer& importer, const NodeProto& node) {
  double bounds[2] = {-INFINITY, INFINITY};
  constexpr const char* names[2] = {"min", "max"};
  for (std::size_t i = 0; i < 2; ++i) {
    if (const AttributeProto* a = node.find(names[i])) bounds[i] = static_cast<double>(a->f);
    if (node.input.size() > i + 1 && !node.input[i + 1].empty()) {
      const ConstantPtr c = importer.find_constant(node.input[i + 1]);
      if (!c || c->size() != 1) return std::nullopt;
      bounds[i] = c->real(0);
    }
  }
  constexpr double unbounded = 3.4e38;  // what exporters write for no bound
  if (bounds[0] <= -unbounded) bounds[0] = -INFINITY;
  if (bounds[1] >= unbounded) bounds[1] = INFINITY;
  return std::pair(bounds[0], bounds[1]);
}

/// Adds f(x) as the step of the call; its output is called `output`.
void activate(Call& c, Operand x, const Activation& f, const std::string& output) {
  x.value = c.importer.add(c.importer.step_name(c), ActivationOp(f), {c.importer.any(c, x)});
  x.pooled = false;
  c.importer.set(output, x);
}
void activate(Call& c, const Activation& f) { activate(c, c.value(0), f, c.node.output[0]); }

/// f(x), or x f(x) as `product` if all that is done with f(x) is to multiply it by x.
void activate_or_multiply(Call& c, const Activation& f, const Activation& product) {
  const NodeProto* next = c.importer.sole_reader(c.node.output[0]);
  if (product && next && next->op_type == "Mul" && other_input(*next, c.node.output[0]) == c.node.input[0]) {
    c.importer.skip(*next);
    return activate(c, c.value(0), product, next->output[0]);
  }
  activate(c, f);
}

/// Clip(x + 3, 0, 6) / 6, alone or times x, as PyTorch before opset 14 and others write hard sigmoid and hard
/// swish.
bool spelled_out_hard(Call& c) {
  Importer& importer = c.importer;
  const bool first = !importer.find_constant(c.node.input[0]);
  const std::string& x = c.node.input[first ? 0 : 1];
  const auto three = scalar(importer, &c.node, "Add", x);
  const NodeProto* clip = importer.sole_reader(c.node.output[0]);
  if (!three || *three != 3 || !clip || clip->op_type != "Clip") return false;
  const auto bounds = clip_bounds(importer, *clip);
  if (!bounds || bounds->first != 0 || bounds->second != 6) return false;
  const NodeProto* next = importer.sole_reader(clip->output[0]);
  if (!next) return false;
  const NodeProto* after = importer.sole_reader(next->output[0]);
  const auto times_x = [&](const NodeProto* node, const std::string& name) {
    return node && node->op_type == "Mul" && other_input(*node, name) == x;
  };
  std::vector<const NodeProto*> used{clip, next};
  Activation f(Kind::hard_sigmoid, 1.0 / 6, 0.5);
  if (times_x(next, clip->output[0]) && divides_by(importer, after, next->output[0], 6)) {
    f = Kind::hard_swish;
    used.push_back(after);
  } else if (!divides_by(importer, next, clip->output[0], 6)) {
    return false;
  } else if (times_x(after, next->output[0])) {
    f = Kind::hard_swish;
    used.push_back(after);
  }
  for (const NodeProto* node : used) importer.skip(*node);
  activate(c, c.value(first ? 0 : 1), f, used.back()->output[0]);
  return true;
}

/// x (1 + erf(x / sqrt 2)) / 2, from its first node on.
bool spelled_out_gelu(Call& c) {
  Importer& importer = c.importer;
  const std::string& x = c.node.input[0];
  const NodeProto* erf = importer.sole_reader(c.node.output[0]);
  if (!erf || erf->op_type != "Erf" || !divides_by(importer, &c.node, x, std::sqrt(2.0))) return false;
  const NodeProto* one = importer.sole_reader(erf->output[0]);
  const auto added = scalar(importer, one, "Add", erf->output[0]);
  if (!added || *added != 1) return false;
  const NodeProto* times = importer.sole_reader(one->output[0]);
  const NodeProto* half = times ? importer.sole_reader(times->output[0]) : nullptr;
  if (!times || times->op_type != "Mul" || other_input(*times, one->output[0]) != x ||
      !divides_by(importer, half, times->output[0], 2))
    return false;
  for (const NodeProto* node : {erf, one, times, half}) importer.skip(*node);
  activate(c, c.value(0), Kind::gelu, half->output[0]);
  return true;
}

void clip(Call& c) {
  c.ignore("min"), c.ignore("max"), c.ignore("consumed_inputs");
  const auto bounds = clip_bounds(c.importer, c.node);
  if (!bounds) c.unsupported("its bounds are computed from the input; they must be constants");
  if (bounds->first == 0 && bounds->second == INFINITY) return activate(c, Kind::relu);
  if (bounds->first == -INFINITY && bounds->second == INFINITY)
    return c.importer.set(c.node.output[0], c.value(0));
  if (!(bounds->first <= bounds->second))
    c.unsupported("its bounds are {} and {}", bounds->first, bounds->second);
  const auto finite = [](double v) { return std::clamp(v, -3.4028234e38, 3.4028234e38); };
  activate(c, Activation(Kind::clip, finite(bounds->first), finite(bounds->second)));
}

/// A 1x1 convolution of each channel alone, for constants that no layer before takes.
void add_affine(Call& c, Operand x, const std::string& value, const Affine& first) {
  std::string name = c.node.output[0];
  const Affine a = c.importer.absorb(name, x, first);
  const bool nothing = std::all_of(a.scale.begin(), a.scale.end(), [](double v) { return v == 1; }) &&
                       std::all_of(a.shift.begin(), a.shift.end(), [](double v) { return v == 0; });
  if (nothing) return c.importer.set(name, x);
  const ValueId id = c.importer.any(c, x);
  const Shape s = c.importer.shape(id);
  if (s.rank() != 3 || (x.form != Form::image && x.form != Form::line && x.form != Form::image_last))
    c.unsupported(
        "it combines '{}' of [n, {}] with constants; of images that is supported, of features only as a "
        "layer's bias or factor",
        value, fmt::join(x.dims, ", "));
  ConvOp op;
  op.out = op.groups = s[2];
  op.kernel_h = op.kernel_w = 1;
  const auto spread = [&](const std::vector<double>& v) {
    std::vector<float> all(s[2]);
    for (Index k = 0; k < s[2]; ++k) all[k] = static_cast<float>(v[v.size() == 1 ? 0 : k]);
    return all;
  };
  const std::string step = c.importer.step_name(c);
  x.value = c.importer.add(step, op, {id}, {spread(a.scale), spread(a.shift)});
  x.pooled = false;
  c.importer.set(name, x);
  c.importer.note(fmt::format("The constants of '{}' became a 1x1 convolution of each channel.", step));
}

/// Sum or product of values of one shape, or a product with one factor per channel.
void combine_node(Call& c) {
  const bool product = c.node.op_type == "Mul";
  std::vector<Operand> x;
  for (std::size_t i = 0; i < c.inputs(); ++i) x.push_back(c.value(i));
  if (x.empty()) c.unsupported("it has no inputs");
  const std::string step = c.importer.step_name(c);
  const auto set = [&](const Operand& like, ValueId id) {
    Operand y = like;
    y.value = id;
    y.pooled = false;
    c.importer.set(c.node.output[0], y);
  };
  const auto is_factor = [](const Operand& f, const Operand& of) {
    const bool ones = f.dims.size() == of.dims.size() && f.dims.size() > 1 &&
                      std::all_of(f.dims.begin() + 1, f.dims.end(), [](std::int64_t d) { return d == 1; });
    return ones && f.dims[0] == of.dims[0] && (of.form == Form::image || of.form == Form::line) &&
           f.dims != of.dims;
  };
  if (product && x.size() == 2)
    for (const std::size_t f : {1, 0})
      if (is_factor(x[f], x[1 - f])) {
        const Operand& of = x[1 - f];
        const ValueId value = c.importer.any(c, of), factor = c.importer.features(c, x[f]);
        return set(of, c.importer.add(step, MulOp(), {value, factor}));
      }
  std::vector<ValueId> ids;
  const bool as_features =
      std::any_of(x.begin(), x.end(), [](const Operand& o) { return o.form == Form::flat; });
  for (const Operand& o : x) {
    if (o.dims != x[0].dims || (o.form != x[0].form && !as_features))
      c.unsupported("its inputs are [n, {}] and [n, {}]; values of one shape are supported{}",
                    fmt::join(x[0].dims, ", "), fmt::join(o.dims, ", "),
                    product ? ", and [n, c, h, w] times [n, c, 1, 1]" : "");
    ids.push_back(as_features ? c.importer.features(c, o) : c.importer.any(c, o));
  }
  Operand like = x[0];
  if (as_features) like.form = Form::flat;
  if (ids.size() == 1) return set(like, ids[0]);
  if (product) return set(like, c.importer.add(step, MulOp(), ids));
  set(like, c.importer.add(step, AddOp(), ids));
}

void arithmetic(Call& c) {
  for (const char* before : {"axis", "broadcast", "consumed_inputs"}) c.ignore(before);
  if (c.node.op_type == "Add" && spelled_out_hard(c)) return;
  if ((c.node.op_type == "Div" || c.node.op_type == "Mul") && spelled_out_gelu(c)) return;
  for (std::size_t i = 0; i < c.inputs(); ++i) {
    const Operand x = c.operand(i);
    if (x.constant) continue;
    if (const auto a = c.importer.affine(c.node, c.node.input[i], x))
      return add_affine(c, x, c.node.input[i], *a);
  }
  if (c.node.op_type == "Sub" || c.node.op_type == "Div")
    c.unsupported("it needs a constant, one number or one per channel, as its second input");
  combine_node(c);
}

void softmax(Call& c) {
  if (!c.importer.is_output(c.node.output[0]))
    c.unsupported("softmax is supported only as the network's last op, where the loss has its own");
  const Operand x = c.value(0);
  const std::size_t rank = x.dims.size() + 1;
  const std::int64_t axis = positive(c.integer("axis", c.importer.opset() < 13 ? 1 : -1), rank);
  const bool classes = x.dims.size() == 1 || (x.pooled && x.form == Form::image) ||
                       product(x.dims) == x.dims[0];  // [f, 1, 1]: before opset 13 the axes behind count, too
  if (axis != 1 || !classes)
    c.unsupported("it is over axis {} of [n, {}]; over the classes of [n, classes] it is supported", axis,
                  fmt::join(x.dims, ", "));
  c.importer.end_in(c.node.op_type);
  c.importer.note(
      fmt::format("The {} at the end was left out: training has it in its loss, and the classes' order "
                  "is the same.",
                  c.node.op_type));
  c.importer.set(c.node.output[0], x);
}

}  // namespace

void add_elementwise(std::map<std::string, Handler, std::less<>>& table) {
  table["Relu"] = [](Call& c) {
    c.ignore("consumed_inputs");
    activate(c, Kind::relu);
  };
  table["LeakyRelu"] = [](Call& c) { activate(c, Activation(Kind::leaky_relu, c.real("alpha", 0.01))); };
  table["Elu"] = [](Call& c) { activate(c, Activation(Kind::elu, c.real("alpha", 1))); };
  table["Tanh"] = [](Call& c) { activate(c, Kind::tanh); };
  table["Sigmoid"] = [](Call& c) { activate_or_multiply(c, Kind::sigmoid, Kind::silu); };
  table["HardSigmoid"] = [](Call& c) {
    const double alpha = c.real("alpha", 0.2), beta = c.real("beta", 0.5);
    const bool swish = near(alpha, 1.0 / 6) && near(beta, 0.5);
    activate_or_multiply(c, Activation(Kind::hard_sigmoid, swish ? 1.0 / 6 : alpha, beta),
                         swish ? Activation(Kind::hard_swish) : Activation());
  };
  table["HardSwish"] = [](Call& c) { activate(c, Kind::hard_swish); };
  table["Gelu"] = [](Call& c) {
    if (c.text("approximate", "none") != "none")
      c.unsupported("its attribute approximate is '{}'; only none is supported", c.text("approximate", ""));
    activate(c, Kind::gelu);
  };
  table["Clip"] = clip;
  for (const char* op : {"Add", "Sub", "Mul", "Div"}) table[op] = arithmetic;
  table["Sum"] = combine_node;
  table["Softmax"] = table["LogSoftmax"] = softmax;
}

}  // namespace espalier::onnx
