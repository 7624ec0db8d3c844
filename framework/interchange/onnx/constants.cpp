// constants.cpp: what can be computed before the network runs: initialisers behind Identity, Transpose or
// Cast, and the chains of Shape, Gather, Unsqueeze, Concat that exporters write where a network reshapes. One
// number is not known then, the batch's size; it is carried along as unknown_batch.
#include "framework/interchange/onnx/constants.h"

#include <algorithm>
#include <numeric>

namespace espalier::onnx {
namespace {

using namespace folding;

/// Axes as attribute or as input `at`.
std::optional<Dims> axes_of(const NodeProto& node, const Inputs& in, std::size_t at) {
  if (const AttributeProto* a = node.find("axes")) return a->ints;
  if (in.size() > at && in[at] && in[at]->whole) return in[at]->integers;
  return std::nullopt;
}

ConstantPtr with_dims(const ConstantPtr& c, Dims dims, Importer& importer) {
  const Made out = make(std::move(dims), c->whole, importer);
  if (!out || out->size() != c->size()) return nullptr;
  out->reals = c->reals;
  out->integers = c->integers;
  out->initializer = c->initializer;
  return out;
}

ConstantPtr shape_of(const NodeProto& node, const Inputs& in, Importer& importer) {
  Dims dims;
  if (in[0]) {
    dims = in[0]->dims;
  } else {
    const Operand x = importer.operand(node.input[0], Call(importer, node));
    if (x.value < 0) return nullptr;
    dims = x.dims;
    dims.insert(dims.begin(), unknown_batch);
  }
  const auto rank = static_cast<std::int64_t>(dims.size());
  const std::int64_t begin = std::clamp(positive(attribute(node, "start", 0), rank), std::int64_t{0}, rank),
                     end = std::clamp(positive(attribute(node, "end", rank), rank), begin, rank);
  const Made out = make({end - begin}, true, importer);
  if (out) std::copy(dims.begin() + begin, dims.begin() + end, out->integers.begin());
  return out;
}

ConstantPtr gather(const NodeProto& node, const Inputs& in, Importer& importer) {
  if (attribute(node, "axis", 0) != 0 || in[0]->dims.empty() || !in[1]->whole) return nullptr;
  Dims dims = in[1]->dims;
  dims.insert(dims.end(), in[0]->dims.begin() + 1, in[0]->dims.end());
  const Made out = make(dims, in[0]->whole, importer);
  if (!out || in[0]->dims[0] == 0) return nullptr;
  const std::int64_t row = in[0]->size() / in[0]->dims[0];
  for (std::int64_t i = 0; i < in[1]->size(); ++i) {
    std::int64_t at = in[1]->integers[i];
    if (at < 0) at += in[0]->dims[0];
    if (at < 0 || at >= in[0]->dims[0]) return nullptr;
    for (std::int64_t k = 0; k < row; ++k) copy(*in[0], at * row + k, *out, i * row + k);
  }
  return out;
}

/// Of lists only.
ConstantPtr slice(const NodeProto& node, const Inputs& in, Importer& importer) {
  if (in[0]->dims.size() != 1) return nullptr;
  const auto list = [&](const char* name, std::size_t at, std::int64_t otherwise) {
    if (const AttributeProto* a = node.find(name)) return a->ints.size() == 1 ? a->ints[0] : otherwise;
    return in.size() > at && in[at] && in[at]->whole && in[at]->size() == 1 ? in[at]->integers[0] : otherwise;
  };
  const std::int64_t size = in[0]->dims[0], axis = list("axes", 3, 0), step = list("steps", 4, 1);
  if ((axis != 0 && axis != -1) || step != 1) return nullptr;
  const auto within = [&](std::int64_t v) { return std::clamp(v < 0 ? v + size : v, std::int64_t{0}, size); };
  const std::int64_t begin = within(list("starts", 1, 0)),
                     end = std::max(begin, within(list("ends", 2, size)));
  const Made out = make({end - begin}, in[0]->whole, importer);
  if (out)
    for (std::int64_t i = begin; i < end; ++i) copy(*in[0], i, *out, i - begin);
  return out;
}

ConstantPtr concat(const NodeProto& node, const Inputs& in, Importer& importer) {
  const auto axis = static_cast<std::size_t>(positive(attribute(node, "axis", 0), in[0]->dims.size()));
  if (axis >= in[0]->dims.size()) return nullptr;
  Dims dims = in[0]->dims;
  dims[axis] = 0;
  for (const ConstantPtr& c : in) {
    if (!c || c->whole != in[0]->whole || c->dims.size() != dims.size()) return nullptr;
    for (std::size_t a = 0; a < dims.size(); ++a)
      if (a != axis && c->dims[a] != dims[a]) return nullptr;
    dims[axis] += c->dims[axis];
  }
  const Made out = make(dims, in[0]->whole, importer);
  if (!out) return nullptr;
  const std::int64_t outer =
      std::accumulate(dims.begin(), dims.begin() + axis, std::int64_t{1}, std::multiplies<>());
  std::int64_t to = 0;
  for (std::int64_t o = 0; o < outer; ++o)
    for (const ConstantPtr& c : in) {
      const std::int64_t part = outer == 0 ? 0 : c->size() / outer;
      for (std::int64_t k = 0; k < part; ++k) copy(*c, o * part + k, *out, to++);
    }
  return out;
}

ConstantPtr transpose(const NodeProto& node, const Inputs& in, Importer& importer) {
  const std::size_t rank = in[0]->dims.size();
  Dims perm(rank);
  for (std::size_t a = 0; a < rank; ++a) perm[a] = static_cast<std::int64_t>(rank - 1 - a);
  if (const AttributeProto* a = node.find("perm")) perm = a->ints;
  Dims sorted = perm;
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t a = 0; a < sorted.size(); ++a)
    if (sorted[a] != static_cast<std::int64_t>(a)) return nullptr;
  if (perm.size() != rank) return nullptr;
  Dims dims(rank), stride(rank, 1), step(rank);
  for (std::size_t a = rank; a-- > 1;) stride[a - 1] = stride[a] * in[0]->dims[a];
  for (std::size_t a = 0; a < rank; ++a) {
    dims[a] = in[0]->dims[perm[a]];
    step[a] = stride[perm[a]];
  }
  const Made out = make(dims, in[0]->whole, importer);
  if (!out) return nullptr;
  Dims index(rank, 0);
  std::int64_t from = 0;
  for (std::int64_t i = 0; i < out->size(); ++i) {
    copy(*in[0], from, *out, i);
    for (std::size_t a = rank; a-- > 0;) {
      from += step[a];
      if (++index[a] < dims[a]) break;
      from -= step[a] * dims[a];
      index[a] = 0;
    }
  }
  out->initializer = in[0]->initializer;
  return out;
}

/// The value of a Constant node, in whichever attribute it is.
ConstantPtr constant_node(const NodeProto& node, Importer& importer) {
  for (const AttributeProto& a : node.attribute) {
    if (a.name == "value" && a.t) return constant_of(decode(*a.t, importer.model().path));
    const bool whole = a.name == "value_int" || a.name == "value_ints";
    if (!whole && a.name != "value_float" && a.name != "value_floats") continue;
    auto c = std::make_shared<Constant>();
    c->whole = whole;
    if (a.name == "value_int") c->integers = {a.i};
    if (a.name == "value_ints") c->integers = a.ints;
    if (a.name == "value_float") c->reals = {a.f};
    if (a.name == "value_floats") c->reals = a.floats;
    if (a.name.ends_with('s'))
      c->dims = {static_cast<std::int64_t>(std::max(c->integers.size(), c->reals.size()))};
    return c;
  }
  return nullptr;
}

ConstantPtr reshape(const NodeProto& node, const Inputs& in, Importer& importer) {
  Dims dims;
  if (in.size() > 1 && in[1] && in[1]->whole)
    dims = in[1]->integers;
  else if (const AttributeProto* a = node.find("shape"))
    dims = a->ints;
  else
    return nullptr;
  std::int64_t rest = 1, open = -1;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 0 && i < in[0]->dims.size()) dims[i] = in[0]->dims[i];
    if (dims[i] == -1 && open < 0)
      open = static_cast<std::int64_t>(i);
    else if (dims[i] < 0 || __builtin_mul_overflow(rest, dims[i], &rest))
      return nullptr;
  }
  if (open >= 0) dims[open] = rest == 0 ? 0 : in[0]->size() / rest;
  return with_dims(in[0], dims, importer);
}

ConstantPtr squeeze(const NodeProto& node, const Inputs& in, Importer& importer) {
  const std::optional<Dims> axes = axes_of(node, in, 1);
  Dims dims;
  for (std::size_t a = 0; a < in[0]->dims.size(); ++a) {
    const bool named = axes && std::any_of(axes->begin(), axes->end(), [&](std::int64_t x) {
                         return positive(x, in[0]->dims.size()) == static_cast<std::int64_t>(a);
                       });
    if (axes ? !named : in[0]->dims[a] != 1) dims.push_back(in[0]->dims[a]);
  }
  return with_dims(in[0], dims, importer);
}

ConstantPtr unsqueeze(const NodeProto& node, const Inputs& in, Importer& importer) {
  const std::optional<Dims> axes = axes_of(node, in, 1);
  if (!axes) return nullptr;
  Dims dims = in[0]->dims, sorted = *axes;
  for (std::int64_t& a : sorted) a = positive(a, dims.size() + axes->size());
  std::sort(sorted.begin(), sorted.end());
  for (const std::int64_t a : sorted) {
    if (a < 0 || a > static_cast<std::int64_t>(dims.size())) return nullptr;
    dims.insert(dims.begin() + a, 1);
  }
  return with_dims(in[0], dims, importer);
}

}  // namespace

ConstantPtr constant_of(const StoredTensor& t) {
  auto c = std::make_shared<Constant>();
  c->dims = t.shape;
  c->initializer = t.name;
  c->whole =
      t.dtype != DType::f16 && t.dtype != DType::bf16 && t.dtype != DType::f32 && t.dtype != DType::f64;
  if (!c->whole)
    c->reals = to_floats(t);
  else if (t.dtype == DType::i64 || t.dtype == DType::u64)
    for (std::size_t i = 0; i < t.bytes.size(); i += sizeof(std::int64_t)) {
      std::int64_t v = 0;
      std::copy_n(t.bytes.data() + i, sizeof v, reinterpret_cast<std::byte*>(&v));
      c->integers.push_back(v == unknown_batch ? v + 1 : v);  // the end of a Slice may be as low as can be
    }
  else
    for (const double v : to_doubles(t)) c->integers.push_back(static_cast<std::int64_t>(v));
  return c;
}

ConstantPtr fold(const NodeProto& node, const std::vector<ConstantPtr>& in, Importer& importer) {
  const std::string& op = node.op_type;
  if (op == "Constant") return constant_node(node, importer);
  if (op == "Shape" && in.size() == 1) return shape_of(node, in, importer);
  if (in.empty() || !in[0]) return nullptr;
  if (op == "Identity") return in[0];
  if (op == "Cast") return cast(node, in, importer);
  if (op == "Transpose") return transpose(node, in, importer);
  if (op == "Reshape") return reshape(node, in, importer);
  if (op == "Squeeze") return squeeze(node, in, importer);
  if (op == "Unsqueeze") return unsqueeze(node, in, importer);
  if (op == "Concat") return concat(node, in, importer);
  if (op == "Slice") return slice(node, in, importer);
  if (op == "ReduceProd") return reduce_product(node, in, importer);
  if (op == "ConstantOfShape") return constant_of_shape(node, in, importer);
  if (op == "Sqrt" || op == "Neg" || op == "Reciprocal" || op == "Floor") return unary(node, in, importer);
  if (in.size() < 2 || !in[1]) return nullptr;
  if (op == "Gather") return gather(node, in, importer);
  if (op == "Add" || op == "Sub" || op == "Mul" || op == "Div") return binary(node, in, importer);
  return nullptr;
}

}  // namespace espalier::onnx
