// affine.cpp: sums and products with constants, one for each channel: biases that stand as nodes of their
// own, and the normalisation of an input. They go into the layer before them, or become a 1x1 convolution of
// each channel alone.
#include <algorithm>
#include <cmath>

#include "framework/interchange/onnx/importer.h"

namespace espalier::onnx {
namespace {

/// Which dimension holds the channels; the batch is 0. -1: none.
std::int64_t channel_axis(const Operand& o) {
  switch (o.form) {
    case Form::image:
    case Form::line:
    case Form::flat:
      return 1;
    case Form::image_last:
      return static_cast<std::int64_t>(o.dims.size());
    default:
      return -1;
  }
}

/// The constant as one number, or one for each channel; nothing if it varies in other ways.
std::optional<std::vector<double>> per_channel(const Constant& c, const Operand& o) {
  const std::int64_t rank = static_cast<std::int64_t>(o.dims.size()) + 1, axis = channel_axis(o);
  const auto own = static_cast<std::int64_t>(c.dims.size());
  if (own > rank || c.size() == 0) return std::nullopt;
  for (std::int64_t a = 0; a < own; ++a) {
    const std::int64_t extent = c.dims[a], at = rank - own + a;
    if (extent != 1 && (at != axis || extent != o.dims[axis - 1])) return std::nullopt;
  }
  std::vector<double> values(c.size());
  for (std::int64_t i = 0; i < c.size(); ++i) values[i] = c.real(i);
  return values;
}

Affine combine(const Affine& first, const Affine& then) {
  const std::size_t n = std::max(first.scale.size(), then.scale.size());
  const auto at = [](const std::vector<double>& v, std::size_t i) { return v[v.size() == 1 ? 0 : i]; };
  Affine out{std::vector<double>(n), std::vector<double>(n)};
  for (std::size_t i = 0; i < n; ++i) {
    out.scale[i] = at(first.scale, i) * at(then.scale, i);
    out.shift[i] = at(first.shift, i) * at(then.scale, i) + at(then.shift, i);
  }
  return out;
}

}  // namespace

std::optional<Affine> Importer::affine(const NodeProto& node, const std::string& value,
                                       const Operand& operand) {
  const std::string& op = node.op_type;
  if ((op != "Add" && op != "Sub" && op != "Mul" && op != "Div") || node.input.size() != 2 ||
      !node.domain.empty())
    return std::nullopt;
  const bool first = node.input[0] == value;  // the value, then the constant
  const ConstantPtr c = find_constant(node.input[first ? 1 : 0]);
  if (!c || node.input[first ? 0 : 1] != value || (op == "Div" && !first)) return std::nullopt;
  auto numbers = per_channel(*c, operand);
  if (!numbers) return std::nullopt;
  const std::size_t n = numbers->size();
  Affine out{std::vector<double>(n, 1.0), std::vector<double>(n, 0.0)};
  for (std::size_t i = 0; i < n; ++i) {
    const double v = (*numbers)[i];
    if (op == "Add") out.shift[i] = v;
    if (op == "Mul") out.scale[i] = v;
    if (op == "Div") out.scale[i] = 1 / v;
    if (op == "Sub") {
      out.scale[i] = first ? 1 : -1;
      out.shift[i] = first ? -v : v;
    }
  }
  return out;
}

Affine Importer::absorb(std::string& name, const Operand& operand, Affine first) {
  while (const NodeProto* next = sole_reader(name)) {
    const std::optional<Affine> then = affine(*next, name, operand);
    if (!then || next->output.size() != 1) break;
    // x + 3 before a Clip begins a hard sigmoid, which has an op of its own.
    const NodeProto* after = sole_reader(next->output[0]);
    if (then->shift.size() == 1 && then->shift[0] != 0 && after && after->op_type == "Clip") break;
    first = combine(first, *then);
    skip(*next);
    name = next->output[0];
  }
  return first;
}

}  // namespace espalier::onnx
