// proto.h: the messages of onnx.proto that a network needs, as plain structs. Field names are those of
// https://github.com/onnx/onnx/blob/main/onnx/onnx.proto; training graphs, functions, sequences and maps are
// not kept.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "framework/io/safetensors.h"

namespace espalier::onnx {

/// TensorProto.DataType
enum DataType : std::int64_t {
  FLOAT = 1,
  UINT8,
  INT8,
  UINT16,
  INT16,
  INT32,
  INT64,
  STRING,
  BOOL,
  FLOAT16,
  DOUBLE,
  UINT32,
  UINT64,
  COMPLEX64,
  COMPLEX128,
  BFLOAT16
};

struct TensorProto {
  std::string name;
  std::vector<std::int64_t> dims;
  std::int64_t data_type = 0;
  // Where the values are: in the file's bytes, in one of the lists, or in another file.
  std::string_view raw_data;
  bool has_raw_data = false;
  std::vector<float> float_data;
  std::vector<std::int64_t> int32_data, int64_data, uint64_data;
  std::vector<double> double_data;
  std::map<std::string, std::string> external_data;  ///< location, offset, length
  bool external = false;
};

struct SparseTensorProto {
  TensorProto values;   ///< its name is the tensor's
  TensorProto indices;  ///< int64 [nnz], counted row by row, or [nnz, rank]
  std::vector<std::int64_t> dims;
};

struct GraphProto;

struct AttributeProto {
  /// AttributeProto.AttributeType
  enum Type : std::int64_t {
    UNDEFINED,
    FLOAT,
    INT,
    STRING,
    TENSOR,
    GRAPH,
    FLOATS,
    INTS,
    STRINGS,
    TENSORS,
    GRAPHS,
    SPARSE_TENSOR
  };
  std::string name;
  std::int64_t type = UNDEFINED;
  float f = 0;
  std::int64_t i = 0;
  std::string s;
  std::vector<float> floats;
  std::vector<std::int64_t> ints;
  std::vector<std::string> strings;
  std::shared_ptr<TensorProto> t;
};

struct NodeProto {
  std::string name, op_type, domain;
  std::vector<std::string> input, output;
  std::vector<AttributeProto> attribute;
  /// Null if it has none of that name.
  const AttributeProto* find(std::string_view name) const;
};

struct Dimension {
  std::int64_t value = -1;  ///< -1: not a number
  std::string parameter;    ///< such as "batch"
};

struct ValueInfoProto {
  std::string name;
  std::int64_t elem_type = 0;  ///< 0: no tensor
  std::vector<Dimension> shape;
};

struct GraphProto {
  std::string name;
  std::vector<NodeProto> node;
  std::vector<TensorProto> initializer;
  std::vector<SparseTensorProto> sparse_initializer;
  std::vector<ValueInfoProto> input, output;
};

struct ModelProto {
  std::int64_t ir_version = 0;
  std::string producer_name, producer_version;
  std::map<std::string, std::int64_t> opset_import;  ///< version by domain; "" is ONNX's own
  std::map<std::string, std::string> metadata_props;
  GraphProto graph;

  std::filesystem::path path;                   ///< for messages, and where external data are
  std::shared_ptr<const std::string> contents;  ///< the file, which raw_data point into
};

/// Reads a model. Throws Error(checkpoint) naming file, byte and message if it is damaged, truncated, no ONNX
/// model or one without a graph; unknown fields are skipped. Values of tensors are not looked at before
/// decode().
ModelProto read_model(const std::filesystem::path& path);
/// The same from memory; `path` is for messages and external data.
ModelProto parse_model(std::string contents, const std::filesystem::path& path);
/// A file that holds one TensorProto, as ONNX's tests keep their inputs and outputs (.pb).
StoredTensor read_tensor(const std::filesystem::path& path);

/// The values. External data are read beside the model and nowhere else. Throws Error(checkpoint) naming
/// model and tensor: strings and complex numbers, too few or too many values, data outside the other file.
StoredTensor decode(const TensorProto& tensor, const std::filesystem::path& model);
/// As a dense tensor. Zeros are not stored, so a small file could ask for any amount of memory: at most
/// `limit` bytes.
StoredTensor decode(const SparseTensorProto& tensor, const std::filesystem::path& model, std::uint64_t limit);

/// The dtype of a tensor's values; throws Error(checkpoint) for strings and complex numbers.
DType dtype_of(std::int64_t data_type, const std::string& where);

}  // namespace espalier::onnx
