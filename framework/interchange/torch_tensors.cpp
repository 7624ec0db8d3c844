#include "framework/interchange/torch_tensors.h"

#include <algorithm>
#include <cstring>

#include "framework/core/check.h"

namespace espalier {
namespace {

using Kind = PickleNode::Kind;

std::optional<DType> dtype_of_storage(std::string_view global) {
  struct Pair {
    std::string_view name;
    DType type;
  };
  constexpr Pair pairs[] = {
      {"FloatStorage", DType::f32},     {"DoubleStorage", DType::f64}, {"HalfStorage", DType::f16},
      {"BFloat16Storage", DType::bf16}, {"LongStorage", DType::i64},   {"IntStorage", DType::i32},
      {"ShortStorage", DType::i16},     {"CharStorage", DType::i8},    {"ByteStorage", DType::u8},
      {"BoolStorage", DType::boolean},  {"UntypedStorage", DType::u8}};
  const std::string_view name = global.substr(global.rfind(' ') + 1);  // "torch", "torch.cuda": all the same
  for (const Pair& p : pairs)
    if (name == p.name && global.starts_with("torch")) return p.type;
  return std::nullopt;
}

std::uint64_t natural(const Pickle& pickle, PickleId id, const std::string& what, const std::string& where) {
  const PickleNode& node = pickle[id];
  if (node.kind != Kind::integer || node.integer < 0)
    corrupt_torch_file(where, "{} is no whole number", what);
  return static_cast<std::uint64_t>(node.integer);
}

/// A tuple of whole numbers, or a torch.Size of one.
std::vector<std::int64_t> extents(const Pickle& pickle, PickleId id, const std::string& what,
                                  const std::string& where) {
  if (pickle[id].kind == Kind::object && pickle[pickle[id].items[0]].text == "torch Size" &&
      !pickle[pickle[id].items[1]].items.empty())
    id = pickle[pickle[id].items[1]].items[0];
  if (pickle[id].kind != Kind::tuple && pickle[id].kind != Kind::list)
    corrupt_torch_file(where, "{} is no tuple", what);
  std::vector<std::int64_t> values;
  constexpr std::size_t most_axes = 64;
  if (pickle[id].items.size() > most_axes)
    corrupt_torch_file(where, "{} has more than {} axes", what, most_axes);
  for (const PickleId item : pickle[id].items)
    values.push_back(static_cast<std::int64_t>(natural(pickle, item, what, where)));
  return values;
}

}  // namespace

TorchStorage torch_storage(const Pickle& pickle, PickleId id, const std::string& where) {
  const PickleNode* tuple = pickle[id].kind == Kind::persistent ? &pickle[pickle[id].items[0]] : nullptr;
  if (!tuple || tuple->items.size() < 5 || pickle[tuple->items[0]].text != "storage")
    corrupt_torch_file(where, "a tensor's storage is not described as ('storage', type, key, place, count)");
  const std::string& type = pickle[tuple->items[1]].text;
  const std::optional<DType> dtype = dtype_of_storage(type);
  if (!dtype)
    corrupt_torch_file(where, "storage of the type '{}'; float, int and bool of 8 to 64 bits are read",
                       type.substr(0, 100));
  TorchStorage storage{pickle[tuple->items[2]].text, *dtype,
                       natural(pickle, tuple->items[4], "the length of a storage", where), 0};
  if (tuple->items.size() > 5 &&
      pickle[tuple->items[5]].items.size() == 3)  // (key of the view, first value, count)
    storage.begin = natural(pickle, pickle[tuple->items[5]].items[1], "the begin of a storage's view", where);
  return storage;
}

TorchValue torch_value(const Pickle& pickle, PickleId id, const std::string& name, const std::string& where) {
  constexpr int most_wrapped = 8;  // a subclass of a parameter of a tensor
  PickleId callee = -1, arguments = -1;
  for (int depth = 0; depth < most_wrapped; ++depth) {
    if (callee < 0) {
      if (pickle[id].kind != Kind::object) return {};
      callee = pickle[id].items[0];
      arguments = pickle[id].items[1];
    }
    const std::string& called = pickle[callee].text;
    const std::vector<PickleId>& a = pickle[arguments].items;
    if (pickle[callee].kind != Kind::global || !called.starts_with("torch")) return {};
    const std::string_view function = std::string_view(called).substr(called.rfind(' ') + 1);
    if (function == "_rebuild_parameter" || function == "_rebuild_parameter_with_state") {
      if (a.empty()) corrupt_torch_file(where, "tensor '{}': a parameter without values", name);
      id = a[0];
      callee = -1;
    } else if (function == "_rebuild_from_type_v2") {  // (function, class, its arguments, state)
      if (a.size() < 3)
        corrupt_torch_file(where, "tensor '{}': {} with {} arguments", name, function, a.size());
      callee = a[0];
      arguments = a[2];
    } else if (function == "_rebuild_tensor_v2" || function == "_rebuild_tensor") {
      if (a.size() < 4)
        corrupt_torch_file(where, "tensor '{}': {} with {} arguments", name, function, a.size());
      TorchTensor t{torch_storage(pickle, a[0], where),
                    natural(pickle, a[1], fmt::format("the offset of '{}'", name), where),
                    extents(pickle, a[2], fmt::format("the size of '{}'", name), where),
                    extents(pickle, a[3], fmt::format("the stride of '{}'", name), where)};
      if (t.shape.size() != t.stride.size())
        corrupt_torch_file(where, "tensor '{}' has {} sizes and {} strides", name, t.shape.size(),
                           t.stride.size());
      return {std::move(t), {}};
    } else {
      return function.starts_with("_rebuild_") ? TorchValue{{}, std::string(function)} : TorchValue{};
    }
  }
  corrupt_torch_file(where, "tensor '{}' is wrapped more than {} times", name, most_wrapped);
}

StoredTensor copy_tensor(const TorchTensor& t, const std::string& name, TorchStorages& storages,
                         const std::string& where) {
  // The index of the last value, and the number of values, without overflow: each below the storage's length.
  std::uint64_t last = 0, count = 1;
  bool overflow = __builtin_add_overflow(t.offset, t.storage.begin, &last), contiguous = true;
  for (std::size_t a = t.shape.size(); a-- > 0;) {
    const auto extent = static_cast<std::uint64_t>(t.shape[a]),
               stride = static_cast<std::uint64_t>(t.stride[a]);
    contiguous &= extent == 1 || stride == count;
    overflow |= __builtin_mul_overflow(count, extent, &count);
    std::uint64_t step = 0;
    if (extent > 0) overflow |= __builtin_mul_overflow(extent - 1, stride, &step);
    overflow |= __builtin_add_overflow(last, step, &last);
  }
  const std::size_t size = size_of(t.storage.dtype);
  StoredTensor out{name, t.storage.dtype, t.shape, {}};
  if (!overflow && count == 0) return out;
  const std::string_view bytes = storages.bytes(t.storage);
  const std::uint64_t held = bytes.size() / size;
  if (overflow || last >= held)
    corrupt_torch_file(
        where, "tensor '{}' of {{{}}} with strides {{{}}} from {} leaves its storage '{}' of {} values", name,
        fmt::join(t.shape, ","), fmt::join(t.stride, ","), t.offset, t.storage.key, held);
  constexpr std::uint64_t small = 1 << 20;
  if (count > held && count > small)  // a stride of 0 repeats values without end
    corrupt_torch_file(where, "tensor '{}' repeats the {} values of its storage to {}; save a copy of it",
                       name, held, count);
  const char* from = bytes.data() + (t.storage.begin + t.offset) * size;
  out.bytes.resize(count * size);
  if (contiguous) {
    std::memcpy(out.bytes.data(), from, out.bytes.size());
    return out;
  }
  std::vector<std::int64_t> index(t.shape.size(), 0);
  std::int64_t at = 0;
  for (std::size_t to = 0; to < out.bytes.size(); to += size) {
    std::memcpy(out.bytes.data() + to, from + at * static_cast<std::int64_t>(size), size);
    for (std::size_t a = t.shape.size(); a-- > 0;) {
      at += t.stride[a];
      if (++index[a] < t.shape[a]) break;
      at -= t.stride[a] * t.shape[a];
      index[a] = 0;
    }
  }
  return out;
}

}  // namespace espalier
