// call.cpp: a node as the importer of its op sees it.
#include <algorithm>

#include "framework/interchange/onnx/importer.h"

namespace espalier::onnx {

void Call::complain(const std::string& what) const {
  const std::string name = node.name.empty() && !node.output.empty() ? node.output[0] : node.name;
  fail(ExitCode::checkpoint, "{}: node '{}' ({}, opset {}): {}", importer.model().path.string(), name,
       node.op_type, importer.opset(), what);
}

Operand Call::operand(std::size_t i) const {
  if (!has(i)) unsupported("it has {} inputs; one more is needed", node.input.size());
  return importer.operand(node.input[i], *this);
}

Operand Call::value(std::size_t i) const {
  Operand o = operand(i);
  if (o.constant)
    unsupported("its input '{}' is a constant where the network's values are wanted", node.input[i]);
  return o;
}

ConstantPtr Call::constant(std::size_t i, const char* what) const {
  const Operand o = operand(i);
  if (!o.constant)
    unsupported("its {} '{}' is computed from the input; it must be a constant", what, node.input[i]);
  return o.constant;
}

const AttributeProto* Call::find(const char* name, std::int64_t type) {
  asked_.insert(name);
  const AttributeProto* a = node.find(name);
  if (a && a->type != type) unsupported("its attribute {} is of another type than ONNX says", name);
  return a;
}

std::int64_t Call::integer(const char* name, std::int64_t otherwise) {
  const AttributeProto* a = find(name, AttributeProto::INT);
  return a ? a->i : otherwise;
}
double Call::real(const char* name, double otherwise) {
  const AttributeProto* a = find(name, AttributeProto::FLOAT);
  return a ? static_cast<double>(a->f) : otherwise;
}
std::string Call::text(const char* name, const std::string& otherwise) {
  const AttributeProto* a = find(name, AttributeProto::STRING);
  return a ? a->s : otherwise;
}
Dims Call::integers(const char* name, const Dims& otherwise) {
  const AttributeProto* a = find(name, AttributeProto::INTS);
  return a ? a->ints : otherwise;
}

std::optional<Dims> Call::integers_at(const char* name, std::size_t i) {
  if (find(name, AttributeProto::INTS)) return integers(name);
  if (!has(i)) return std::nullopt;
  const ConstantPtr c = constant(i, name);
  if (!c->whole) unsupported("its {} are no whole numbers", name);
  return c->integers;
}
std::optional<double> Call::real_at(const char* name, std::size_t i) {
  if (find(name, AttributeProto::FLOAT)) return real(name, 0);
  if (!has(i)) return std::nullopt;
  const ConstantPtr c = constant(i, name);
  if (c->size() != 1) unsupported("its {} is no single number", name);
  return c->real(0);
}

void Call::check_attributes() const {
  for (const AttributeProto& a : node.attribute)
    if (!asked_.contains(a.name))
      unsupported("its attribute {} is not supported; {} are", a.name,
                  asked_.empty() ? "none" : fmt::format("{}", fmt::join(asked_, ", ")));
}

}  // namespace espalier::onnx
