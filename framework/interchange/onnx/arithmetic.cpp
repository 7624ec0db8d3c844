// arithmetic.cpp: numbers computed from numbers while a model is imported.
#include <algorithm>
#include <cmath>

#include "framework/interchange/onnx/constants.h"

namespace espalier::onnx::folding {

Made make(Dims dims, bool whole, Importer& importer) {
  if (!importer.may_fold(dims)) return nullptr;
  auto c = std::make_shared<Constant>();
  c->dims = std::move(dims);
  c->whole = whole;
  if (whole)
    c->integers.resize(c->size());
  else
    c->reals.resize(c->size());
  return c;
}

namespace {
/// 0 of what no integer can be.
std::int64_t whole_part(double v) { return std::abs(v) < 9e18 ? static_cast<std::int64_t>(v) : 0; }
}  // namespace

void copy(const Constant& from, std::int64_t i, Constant& to, std::int64_t j) {
  if (to.whole)
    to.integers[j] = from.whole ? from.integers[i] : whole_part(from.real(i));
  else
    to.reals[j] = static_cast<float>(from.real(i));
}

std::int64_t attribute(const NodeProto& node, const char* name, std::int64_t otherwise) {
  const AttributeProto* a = node.find(name);
  return a ? a->i : otherwise;
}

ConstantPtr cast(const NodeProto& node, const Inputs& in, Importer& importer) {
  const std::int64_t to = attribute(node, "to", 0);
  const bool whole = to != FLOAT && to != DOUBLE && to != FLOAT16 && to != BFLOAT16;
  if (whole == in[0]->whole) return in[0];
  const Made out = make(in[0]->dims, whole, importer);
  if (out)
    for (std::int64_t i = 0; i < out->size(); ++i) copy(*in[0], i, *out, i);
  return out;
}

/// Numbers with numbers, shapes as NumPy broadcasts them. What holds the batch's size stays unknown.
ConstantPtr binary(const NodeProto& node, const Inputs& in, Importer& importer) {
  const Constant &a = *in[0], &b = *in[1];
  const std::size_t rank = std::max(a.dims.size(), b.dims.size());
  Dims dims(rank), step_a(rank, 0), step_b(rank, 0);
  std::int64_t size_a = 1, size_b = 1;
  for (std::size_t i = 0; i < rank; ++i) {
    const std::size_t at = rank - 1 - i;
    const std::int64_t da = i < a.dims.size() ? a.dims[a.dims.size() - 1 - i] : 1,
                       db = i < b.dims.size() ? b.dims[b.dims.size() - 1 - i] : 1;
    if (da != db && da != 1 && db != 1) return nullptr;
    dims[at] = da == 1 ? db : da;
    if (da != 1) step_a[at] = size_a;
    if (db != 1) step_b[at] = size_b;
    size_a *= da;
    size_b *= db;
  }
  const bool whole = a.whole && b.whole;
  const Made out = make(dims, whole, importer);
  if (!out) return nullptr;
  const char op = node.op_type[0];  // Add, Sub, Mul, Div
  Dims index(rank, 0);
  std::int64_t at_a = 0, at_b = 0;
  for (std::int64_t i = 0; i < out->size(); ++i) {
    if (whole) {
      const std::int64_t x = a.integers[at_a], y = b.integers[at_b];
      std::int64_t r = 0;
      if (x == unknown_batch || y == unknown_batch) {
        const bool unchanged = (op == 'M' && (x == 1 || y == 1)) || (op == 'D' && y == 1);
        if (!unchanged) return nullptr;
        r = unknown_batch;
      } else if (op == 'D' ? y == 0 || y == -1
                           : (op == 'A'   ? __builtin_add_overflow(x, y, &r)
                              : op == 'S' ? __builtin_sub_overflow(x, y, &r)
                                          : __builtin_mul_overflow(x, y, &r))) {
        return nullptr;
      } else if (op == 'D') {
        r = x / y;
      }
      out->integers[i] = r;
    } else {
      const double x = a.real(at_a), y = b.real(at_b);
      out->reals[i] = static_cast<float>(op == 'A' ? x + y : op == 'S' ? x - y : op == 'M' ? x * y : x / y);
    }
    for (std::size_t d = rank; d-- > 0;) {
      at_a += step_a[d];
      at_b += step_b[d];
      if (++index[d] < dims[d]) break;
      at_a -= step_a[d] * dims[d];
      at_b -= step_b[d] * dims[d];
      index[d] = 0;
    }
  }
  return out;
}

ConstantPtr unary(const NodeProto& node, const Inputs& in, Importer& importer) {
  const Made out = make(in[0]->dims, in[0]->whole, importer);
  if (!out) return nullptr;
  for (std::int64_t i = 0; i < out->size(); ++i) {
    const double x = in[0]->real(i);
    const double y = node.op_type == "Sqrt"    ? std::sqrt(x)
                     : node.op_type == "Neg"   ? -x
                     : node.op_type == "Floor" ? std::floor(x)
                                               : 1 / x;
    if (out->whole) {
      if (in[0]->integers[i] == unknown_batch || node.op_type != "Neg") return nullptr;
      out->integers[i] = -in[0]->integers[i];
    } else {
      out->reals[i] = static_cast<float>(y);
    }
  }
  return out;
}

ConstantPtr reduce_product(const NodeProto& node, const Inputs& in, Importer& importer) {
  if (!in[0]->whole || in[0]->dims.size() > 1) return nullptr;
  const Made out = make(attribute(node, "keepdims", 1) ? Dims{1} : Dims{}, true, importer);
  if (!out) return nullptr;
  out->integers[0] = 1;
  for (const std::int64_t v : in[0]->integers)
    if (v == unknown_batch || __builtin_mul_overflow(out->integers[0], v, &out->integers[0])) return nullptr;
  return out;
}

ConstantPtr constant_of_shape(const NodeProto& node, const Inputs& in, Importer& importer) {
  if (!in[0]->whole) return nullptr;
  const AttributeProto* a = node.find("value");
  const ConstantPtr value = a && a->t ? constant_of(decode(*a->t, importer.model().path)) : nullptr;
  if (value && value->size() != 1) return nullptr;
  const Made out = make(in[0]->integers, value && value->whole, importer);
  for (std::int64_t i = 0; out && value && i < out->size(); ++i) copy(*value, 0, *out, i);
  return out;
}

}  // namespace espalier::onnx::folding
