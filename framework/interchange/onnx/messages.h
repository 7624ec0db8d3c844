// messages.h: the messages of onnx.proto out of their bytes: each field by its number.
#pragma once

#include <string>
#include <utility>

#include "framework/interchange/onnx/proto.h"
#include "framework/interchange/protobuf.h"

namespace espalier::onnx {

/// A StringStringEntryProto.
std::pair<std::string, std::string> parse_entry(ProtoReader in);
TensorProto parse_tensor(ProtoReader in);
GraphProto parse_graph(ProtoReader in);

}  // namespace espalier::onnx
