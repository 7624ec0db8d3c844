#include "framework/interchange/onnx/messages.h"

#include <algorithm>

namespace espalier::onnx {

std::pair<std::string, std::string> parse_entry(ProtoReader in) {
  std::pair<std::string, std::string> entry;
  while (in.next()) {
    if (in.field() == 1) entry.first = in.text();
    if (in.field() == 2) entry.second = in.text();
  }
  return entry;
}

TensorProto parse_tensor(ProtoReader in) {
  TensorProto t;
  while (in.next()) switch (in.field()) {
      case 1:
        in.append(t.dims);
        break;
      case 2:
        t.data_type = in.integer();
        break;
      case 3:
        in.corrupt("a tensor in segments, which nothing writes");
      case 4:
        in.append(t.float_data);
        break;
      case 5:
        in.append(t.int32_data);
        break;
      case 7:
        in.append(t.int64_data);
        break;
      case 8:
        t.name = in.text();
        break;
      case 9:
        t.raw_data = in.bytes();
        t.has_raw_data = true;
        break;
      case 10:
        in.append(t.double_data);
        break;
      case 11:
        in.append(t.uint64_data);
        break;
      case 13:
        t.external_data.insert(parse_entry(in.message("StringStringEntryProto")));
        break;
      case 14:
        t.external = in.integer() == 1;
        break;
      default:
        break;
    }
  return t;
}

namespace {

SparseTensorProto parse_sparse(ProtoReader in) {
  SparseTensorProto t;
  while (in.next()) switch (in.field()) {
      case 1:
        t.values = parse_tensor(in.message("TensorProto"));
        break;
      case 2:
        t.indices = parse_tensor(in.message("TensorProto"));
        break;
      case 3:
        in.append(t.dims);
        break;
      default:
        break;
    }
  return t;
}

AttributeProto parse_attribute(ProtoReader in) {
  AttributeProto a;
  AttributeProto::Type seen = AttributeProto::UNDEFINED;  // files of IR version 1 do not say the type
  const auto saw = [&](AttributeProto::Type type) { seen = type; };
  while (in.next()) switch (in.field()) {
      case 1:
        a.name = in.text();
        break;
      case 2:
        a.f = in.real();
        saw(AttributeProto::FLOAT);
        break;
      case 3:
        a.i = in.integer();
        saw(AttributeProto::INT);
        break;
      case 4:
        a.s = in.text();
        saw(AttributeProto::STRING);
        break;
      case 5:
        a.t = std::make_shared<TensorProto>(parse_tensor(in.message("TensorProto")));
        saw(AttributeProto::TENSOR);
        break;
      case 6:
        saw(AttributeProto::GRAPH);
        break;
      case 7:
        in.append(a.floats);
        saw(AttributeProto::FLOATS);
        break;
      case 8:
        in.append(a.ints);
        saw(AttributeProto::INTS);
        break;
      case 9:
        a.strings.push_back(in.text());
        saw(AttributeProto::STRINGS);
        break;
      case 10:
        saw(AttributeProto::TENSORS);
        break;
      case 11:
        saw(AttributeProto::GRAPHS);
        break;
      case 20:
        a.type = in.integer();
        break;
      case 22:
        saw(AttributeProto::SPARSE_TENSOR);
        break;
      default:
        break;
    }
  if (a.type == AttributeProto::UNDEFINED) a.type = seen;
  return a;
}

NodeProto parse_node(ProtoReader in) {
  NodeProto n;
  while (in.next()) switch (in.field()) {
      case 1:
        n.input.push_back(in.text());
        break;
      case 2:
        n.output.push_back(in.text());
        break;
      case 3:
        n.name = in.text();
        break;
      case 4:
        n.op_type = in.text();
        break;
      case 5:
        n.attribute.push_back(parse_attribute(in.message("AttributeProto")));
        break;
      case 7:
        n.domain = in.text();
        break;
      default:
        break;
    }
  return n;
}

Dimension parse_dimension(ProtoReader in) {
  Dimension d;
  while (in.next()) {
    if (in.field() == 1) d.value = std::max<std::int64_t>(in.integer(), -1);
    if (in.field() == 2) d.parameter = in.text();
  }
  return d;
}

/// TypeProto: of its kinds only tensor_type.
void parse_type(ProtoReader in, ValueInfoProto& value) {
  while (in.next()) {
    if (in.field() != 1) continue;
    ProtoReader tensor = in.message("TypeProto.Tensor");
    while (tensor.next()) {
      if (tensor.field() == 1) value.elem_type = tensor.integer();
      if (tensor.field() != 2) continue;
      ProtoReader shape = tensor.message("TensorShapeProto");
      while (shape.next())
        if (shape.field() == 1)
          value.shape.push_back(parse_dimension(shape.message("TensorShapeProto.Dimension")));
    }
  }
}

ValueInfoProto parse_value_info(ProtoReader in) {
  ValueInfoProto v;
  while (in.next()) {
    if (in.field() == 1) v.name = in.text();
    if (in.field() == 2) parse_type(in.message("TypeProto"), v);
  }
  return v;
}

}  // namespace

GraphProto parse_graph(ProtoReader in) {
  GraphProto g;
  while (in.next()) switch (in.field()) {
      case 1:
        g.node.push_back(parse_node(in.message("NodeProto")));
        break;
      case 2:
        g.name = in.text();
        break;
      case 5:
        g.initializer.push_back(parse_tensor(in.message("TensorProto")));
        break;
      case 11:
        g.input.push_back(parse_value_info(in.message("ValueInfoProto")));
        break;
      case 12:
        g.output.push_back(parse_value_info(in.message("ValueInfoProto")));
        break;
      case 15:
        g.sparse_initializer.push_back(parse_sparse(in.message("SparseTensorProto")));
        break;
      default:
        break;
    }
  return g;
}

}  // namespace espalier::onnx
