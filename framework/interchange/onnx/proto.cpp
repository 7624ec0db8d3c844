// proto.cpp: models and tensors as files.
#include "framework/interchange/onnx/proto.h"

#include <algorithm>

#include "framework/core/memory.h"
#include "framework/interchange/onnx/messages.h"
#include "framework/io/atomic_file.h"
#include "framework/io/file_kind.h"

namespace espalier::onnx {
namespace {

std::string read_bounded(const std::filesystem::path& path) {
  std::error_code error;  // a file that is not there is reported by reading it
  const auto size = std::filesystem::file_size(path, error);
  if (!error) require_memory(static_cast<double>(size), path.string());
  // Read and not mapped: a mapped file that somebody cuts short while we look at it ends the program.
  return read_whole_file(path, ExitCode::checkpoint);
}

}  // namespace

const AttributeProto* NodeProto::find(std::string_view wanted) const {
  const auto found = std::find_if(attribute.begin(), attribute.end(),
                                  [&](const AttributeProto& a) { return a.name == wanted; });
  return found == attribute.end() ? nullptr : &*found;
}

ModelProto parse_model(std::string contents, const std::filesystem::path& path) {
  if (const FileKind kind = kind_of_bytes(std::string_view(contents).substr(0, file_kind_bytes));
      kind != FileKind::onnx)
    if (const auto what = foreign_file(kind, "an ONNX model"))
      fail(ExitCode::checkpoint, "{}: {}", path.string(), *what);
  ModelProto m;
  m.path = path;
  m.contents = std::make_shared<const std::string>(std::move(contents));
  ProtoReader in(*m.contents, path.string(), "ModelProto");
  bool has_graph = false;
  while (in.next()) switch (in.field()) {
      case 1:
        m.ir_version = in.integer();
        break;
      case 2:
        m.producer_name = in.text();
        break;
      case 3:
        m.producer_version = in.text();
        break;
      case 7:
        m.graph = parse_graph(in.message("GraphProto"));
        has_graph = true;
        break;
      case 8: {
        ProtoReader set = in.message("OperatorSetIdProto");
        std::string domain;
        std::int64_t version = 0;
        while (set.next()) {
          if (set.field() == 1) domain = set.text();
          if (set.field() == 2) version = set.integer();
        }
        m.opset_import[domain == "ai.onnx" ? "" : domain] = version;
        break;
      }
      case 14:
        m.metadata_props.insert(parse_entry(in.message("StringStringEntryProto")));
        break;
      default:
        break;
    }
  if (!has_graph) in.corrupt("the model has no graph");
  return m;
}

ModelProto read_model(const std::filesystem::path& path) { return parse_model(read_bounded(path), path); }

StoredTensor read_tensor(const std::filesystem::path& path) {
  const std::string contents = read_bounded(path);
  return decode(parse_tensor(ProtoReader(contents, path.string(), "TensorProto")), path);
}

}  // namespace espalier::onnx
