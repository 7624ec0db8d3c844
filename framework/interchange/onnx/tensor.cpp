// tensor.cpp: the values of TensorProto, wherever they are: raw bytes, a list of numbers, another file.
#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "framework/core/check.h"
#include "framework/core/memory.h"
#include "framework/interchange/onnx/proto.h"
#include "framework/io/atomic_file.h"

namespace espalier::onnx {
namespace {

template <class... Args>
[[noreturn]] void corrupt(const std::string& where, fmt::format_string<Args...> what, Args&&... args) {
  fail(ExitCode::checkpoint, "{}: {}", where, fmt::format(what, std::forward<Args>(args)...));
}

std::uint64_t count_of(const std::vector<std::int64_t>& dims, const std::string& where) {
  constexpr std::uint64_t most = std::uint64_t{1} << 48;
  std::uint64_t count = 1;
  for (const std::int64_t d : dims)
    if (d < 0 || __builtin_mul_overflow(count, static_cast<std::uint64_t>(d), &count) || count > most)
      corrupt(where, "the shape {{{}}} is negative or too large", fmt::join(dims, ","));
  return count;
}

template <class To, class From>
void put(std::vector<std::byte>& out, const std::vector<From>& values) {
  out.resize(values.size() * sizeof(To));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const To v = static_cast<To>(values[i]);
    std::memcpy(out.data() + i * sizeof v, &v, sizeof v);
  }
}

/// The typed lists: small integers, bool and the bits of 16-bit floats are in int32_data.
std::vector<std::byte> from_lists(const TensorProto& t, DType dtype) {
  std::vector<std::byte> out;
  switch (dtype) {
    case DType::f32:
      put<float>(out, t.float_data);
      break;
    case DType::f64:
      put<double>(out, t.double_data);
      break;
    case DType::i64:
      put<std::int64_t>(out, t.int64_data);
      break;
    case DType::u64:
      put<std::uint64_t>(out, t.uint64_data);
      break;
    case DType::u32:
      put<std::uint32_t>(out, t.uint64_data);
      break;
    case DType::i32:
      put<std::int32_t>(out, t.int32_data);
      break;
    case DType::f16:
    case DType::bf16:
    case DType::u16:
    case DType::i16:
      put<std::uint16_t>(out, t.int32_data);
      break;
    case DType::boolean:
    case DType::u8:
    case DType::i8:
      put<std::uint8_t>(out, t.int32_data);
      break;
  }
  return out;
}

std::uint64_t natural(const TensorProto& t, const char* key, std::uint64_t otherwise,
                      const std::string& where) {
  const auto found = t.external_data.find(key);
  if (found == t.external_data.end()) return otherwise;
  const std::string& text = found->second;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty())
    corrupt(where, "its external data have the {} '{}', which is no whole number", key, text.substr(0, 60));
  return value;
}

/// In a file beside the model. A path out of that folder could make any file of this machine part of a
/// network.
std::vector<std::byte> from_other_file(const TensorProto& t, std::uint64_t bytes,
                                       const std::filesystem::path& model, const std::string& where) {
  const auto location = t.external_data.find("location");
  const std::filesystem::path relative = location == t.external_data.end() ? "" : location->second;
  const bool leaves =
      relative.empty() || relative.is_absolute() ||
      std::any_of(relative.begin(), relative.end(), [](const auto& part) { return part == ".."; });
  if (leaves || relative.string().find('\0') != std::string::npos)
    corrupt(where, "its external data are in '{}'; they must be in the folder of the model or below it",
            relative.string().substr(0, 200));
  const std::filesystem::path path = model.parent_path() / relative;
  std::error_code error;
  const std::filesystem::path folder =
      std::filesystem::canonical(model.has_parent_path() ? model.parent_path() : ".", error);
  if (const auto real = std::filesystem::weakly_canonical(path, error);
      !error && std::mismatch(folder.begin(), folder.end(), real.begin(), real.end()).first != folder.end())
    corrupt(where, "its external data in '{}' are behind a symbolic link out of the model's folder",
            relative.string());
  const FileHandle file(path, O_RDONLY, ExitCode::checkpoint);
  const std::uint64_t begin = natural(t, "offset", 0, where), size = file.size();
  if (begin > size || bytes > size - begin || natural(t, "length", bytes, where) != bytes)
    corrupt(where,
            "its {} bytes from {} are not inside its external data {} of {} bytes; it is truncated or of "
            "another model",
            bytes, begin, path.string(), size);
  constexpr std::uint64_t small = 1 << 20;
  if (bytes > small) require_memory(static_cast<double>(bytes), where);
  std::vector<std::byte> out(bytes);
  file.read(begin, out.data(), out.size());
  return out;
}

}  // namespace

DType dtype_of(std::int64_t data_type, const std::string& where) {
  switch (data_type) {
    case FLOAT:
      return DType::f32;
    case UINT8:
      return DType::u8;
    case INT8:
      return DType::i8;
    case UINT16:
      return DType::u16;
    case INT16:
      return DType::i16;
    case INT32:
      return DType::i32;
    case INT64:
      return DType::i64;
    case BOOL:
      return DType::boolean;
    case FLOAT16:
      return DType::f16;
    case DOUBLE:
      return DType::f64;
    case UINT32:
      return DType::u32;
    case UINT64:
      return DType::u64;
    case BFLOAT16:
      return DType::bf16;
    default:
      break;
  }
  corrupt(where,
          "its data type is {} of onnx.proto ({}); bool, int and uint of 8 to 64 bits, float of 16 to 64 and "
          "bfloat16 are read",
          data_type,
          data_type == STRING                                 ? "strings"
          : data_type == COMPLEX64 || data_type == COMPLEX128 ? "complex numbers"
                                                              : "not known here");
}

StoredTensor decode(const TensorProto& t, const std::filesystem::path& model) {
  const std::string where = fmt::format("{}: tensor '{}'", model.string(), t.name);
  StoredTensor out{t.name, dtype_of(t.data_type, where), t.dims, {}};
  const std::uint64_t count = count_of(t.dims, where), bytes = count * size_of(out.dtype);
  if (t.external) {
    out.bytes = from_other_file(t, bytes, model, where);
  } else if (t.has_raw_data) {
    if (t.raw_data.size() == bytes && bytes > 0) {
      out.bytes.resize(bytes);
      std::memcpy(out.bytes.data(), t.raw_data.data(), bytes);
    } else if (t.raw_data.size() != bytes) {
      corrupt(where, "it has {} bytes for {} {{{}}}, which takes {}", t.raw_data.size(), name_of(out.dtype),
              fmt::join(t.dims, ","), bytes);
    }
  } else {
    out.bytes = from_lists(t, out.dtype);
    if (out.bytes.size() != bytes)
      corrupt(where, "it has {} values for the shape {{{}}}", out.bytes.size() / size_of(out.dtype),
              fmt::join(t.dims, ","));
  }
  return out;
}

StoredTensor decode(const SparseTensorProto& t, const std::filesystem::path& model, std::uint64_t limit) {
  const std::string where = fmt::format("{}: sparse tensor '{}'", model.string(), t.values.name);
  const StoredTensor values = decode(t.values, model), indices = decode(t.indices, model);
  const std::uint64_t count = count_of(t.dims, where), size = size_of(values.dtype),
                      stored = values.bytes.size() / size;
  if (count > limit / size)
    corrupt(where, "the shape {{{}}} takes more than the {} bytes that a file of this size may ask for",
            fmt::join(t.dims, ","), limit);
  const std::uint64_t rank = t.dims.size();
  const bool linear = indices.shape.size() == 1;
  if (indices.dtype != DType::i64 ||
      indices.bytes.size() / sizeof(std::int64_t) != stored * (linear ? 1 : rank))
    corrupt(where, "its indices are not one of int64 for each of {} values", stored);
  StoredTensor out{values.name, values.dtype, t.dims, std::vector<std::byte>(count * size)};
  const auto index = [&](std::uint64_t i) {
    std::int64_t v = 0;
    std::memcpy(&v, indices.bytes.data() + i * sizeof v, sizeof v);
    return v;
  };
  for (std::uint64_t i = 0; i < stored; ++i) {
    std::uint64_t at = 0;
    for (std::uint64_t a = 0; !linear && a < rank; ++a) {
      const std::int64_t v = index(i * rank + a);
      if (v < 0 || v >= t.dims[a]) corrupt(where, "index {} on axis {} of value {} is outside", v, a, i);
      at = at * static_cast<std::uint64_t>(t.dims[a]) + static_cast<std::uint64_t>(v);
    }
    if (linear) {
      const std::int64_t v = index(i);
      if (v < 0 || static_cast<std::uint64_t>(v) >= count)
        corrupt(where, "index {} of value {} is outside", v, i);
      at = static_cast<std::uint64_t>(v);
    }
    std::memcpy(out.bytes.data() + at * size, values.bytes.data() + i * size, size);
  }
  return out;
}

}  // namespace espalier::onnx
