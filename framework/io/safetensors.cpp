#include "framework/io/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "framework/core/check.h"
#include "framework/io/atomic_file.h"
#include "framework/io/compact/float16.h"

namespace espalier {
namespace {

using SortedJson = nlohmann::json;
static_assert(std::endian::native == std::endian::little, "values are stored as they lie in memory");

struct TypeInfo {
  DType type;
  std::string_view name;
  std::size_t size;
};
constexpr std::array<TypeInfo, 13> types{{{DType::boolean, "BOOL", 1},
                                          {DType::u8, "U8", 1},
                                          {DType::i8, "I8", 1},
                                          {DType::u16, "U16", 2},
                                          {DType::i16, "I16", 2},
                                          {DType::f16, "F16", 2},
                                          {DType::bf16, "BF16", 2},
                                          {DType::u32, "U32", 4},
                                          {DType::i32, "I32", 4},
                                          {DType::f32, "F32", 4},
                                          {DType::u64, "U64", 8},
                                          {DType::i64, "I64", 8},
                                          {DType::f64, "F64", 8}}};

const TypeInfo& info(DType type) { return types[static_cast<std::size_t>(type)]; }

template <class T>
void add_values(TensorFile& file, DType type, std::string name, std::vector<std::int64_t> shape,
                std::span<const T> values) {
  StoredTensor t{std::move(name), type, std::move(shape), std::vector<std::byte>(values.size_bytes())};
  if (!values.empty()) std::memcpy(t.bytes.data(), values.data(), values.size_bytes());
  file.tensors.push_back(std::move(t));
}

template <class To, class From, class Convert>
std::vector<To> converted(const StoredTensor& t, Convert convert) {
  std::vector<To> out(t.bytes.size() / sizeof(From));
  for (std::size_t i = 0; i < out.size(); ++i) {
    From v;
    std::memcpy(&v, t.bytes.data() + i * sizeof(From), sizeof v);
    out[i] = static_cast<To>(convert(v));
  }
  return out;
}

template <class To>
std::vector<To> values_of(const StoredTensor& t) {
  const auto as_is = [](auto v) { return v; };
  switch (t.dtype) {
    case DType::boolean:
    case DType::u8:
      return converted<To, std::uint8_t>(t, as_is);
    case DType::i8:
      return converted<To, std::int8_t>(t, as_is);
    case DType::u16:
      return converted<To, std::uint16_t>(t, as_is);
    case DType::i16:
      return converted<To, std::int16_t>(t, as_is);
    case DType::f16:
      return converted<To, std::uint16_t>(t, from_float16);
    case DType::bf16:
      return converted<To, std::uint16_t>(
          t, [](std::uint16_t v) { return std::bit_cast<float>(std::uint32_t{v} << 16); });
    case DType::u32:
      return converted<To, std::uint32_t>(t, as_is);
    case DType::i32:
      return converted<To, std::int32_t>(t, as_is);
    case DType::f32:
      return converted<To, float>(t, as_is);
    case DType::u64:
      return converted<To, std::uint64_t>(t, as_is);
    case DType::i64:
      return converted<To, std::int64_t>(t, as_is);
    case DType::f64:
      return converted<To, double>(t, as_is);
  }
  return {};
}

std::string quoted(const std::string& text) {
  return SortedJson(text).dump(-1, ' ', false, SortedJson::error_handler_t::replace);
}

}  // namespace

std::string_view name_of(DType type) { return info(type).name; }
std::optional<DType> dtype_named(std::string_view name) {
  const auto found =
      std::find_if(types.begin(), types.end(), [&](const TypeInfo& t) { return t.name == name; });
  return found == types.end() ? std::nullopt : std::optional(found->type);
}
std::size_t size_of(DType type) { return info(type).size; }

const StoredTensor* TensorFile::find(std::string_view name) const {
  const auto found =
      std::find_if(tensors.begin(), tensors.end(), [&](const StoredTensor& t) { return t.name == name; });
  return found == tensors.end() ? nullptr : &*found;
}

void TensorFile::add(std::string name, std::vector<std::int64_t> shape, std::span<const float> values) {
  add_values(*this, DType::f32, std::move(name), std::move(shape), values);
}
void TensorFile::add(std::string name, std::vector<std::int64_t> shape, std::span<const double> values) {
  add_values(*this, DType::f64, std::move(name), std::move(shape), values);
}
void TensorFile::add(std::string name, std::vector<std::int64_t> shape,
                     std::span<const std::uint8_t> values) {
  add_values(*this, DType::u8, std::move(name), std::move(shape), values);
}
void TensorFile::add(std::string name, std::vector<std::int64_t> shape,
                     std::span<const std::int64_t> values) {
  add_values(*this, DType::i64, std::move(name), std::move(shape), values);
}

std::vector<float> to_floats(const StoredTensor& tensor) { return values_of<float>(tensor); }
std::vector<double> to_doubles(const StoredTensor& tensor) { return values_of<double>(tensor); }

namespace {

/// Wide values first, so that all are aligned in the file.
std::vector<const StoredTensor*> in_file_order(const TensorFile& file) {
  std::vector<const StoredTensor*> order;
  for (const StoredTensor& t : file.tensors) order.push_back(&t);
  std::stable_sort(order.begin(), order.end(), [](const StoredTensor* a, const StoredTensor* b) {
    return size_of(a->dtype) > size_of(b->dtype);
  });
  return order;
}

/// Length and JSON header; `name` stands for the file in messages.
std::string head_of(const TensorFile& file, const std::vector<const StoredTensor*>& order,
                    const std::string& name) {
  std::set<std::string> names{"__metadata__"};
  for (const StoredTensor& t : file.tensors) {
    const auto values = std::accumulate(t.shape.begin(), t.shape.end(), std::int64_t{1}, std::multiplies<>());
    require(static_cast<std::size_t>(values) * size_of(t.dtype) == t.bytes.size(),
            "{}: tensor '{}' has {} bytes for {} {{{}}}", name, t.name, t.bytes.size(), name_of(t.dtype),
            fmt::join(t.shape, ","));
    require(names.insert(t.name).second, "{}: the tensor name '{}' is reserved or used twice", name, t.name);
  }
  std::string header = "{";
  const char* separator = "";
  if (!file.metadata.empty()) {
    std::string inner;
    for (const auto& [key, value] : file.metadata)
      inner += fmt::format("{}{}:{}", inner.empty() ? "" : ",", quoted(key), quoted(value));
    header += fmt::format("\"__metadata__\":{{{}}}", inner);
    separator = ",";
  }
  std::uint64_t at = 0;
  for (const StoredTensor* t : order) {
    header +=
        fmt::format(R"({}{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", separator,
                    quoted(t->name), name_of(t->dtype), fmt::join(t->shape, ","), at, at + t->bytes.size());
    at += t->bytes.size();
    separator = ",";
  }
  header += '}';
  header.resize((header.size() + 7) / 8 * 8, ' ');  // so the data begin at a multiple of 8
  const std::uint64_t size = header.size();
  return std::string(reinterpret_cast<const char*>(&size), sizeof size) + header;
}

}  // namespace

std::string to_safetensors(const TensorFile& file, const std::string& name) {
  const auto order = in_file_order(file);
  std::string bytes = head_of(file, order, name);
  for (const StoredTensor* t : order)
    bytes.append(reinterpret_cast<const char*>(t->bytes.data()), t->bytes.size());
  return bytes;
}

void write_safetensors(const std::filesystem::path& path, const TensorFile& file) {
  const auto order = in_file_order(file);
  const std::string head = head_of(file, order, path.string());
  AtomicFile out(path);
  out.write(head);
  for (const StoredTensor* t : order) out.write(t->bytes.data(), t->bytes.size());
  out.commit();
}

}  // namespace espalier
