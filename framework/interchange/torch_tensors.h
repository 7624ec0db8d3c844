// torch_tensors.h: what stands for tensors in PyTorch's pickles: calls of torch._utils._rebuild_tensor_v2
// with a storage (a persistent id), an offset, sizes and strides.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "framework/core/check.h"
#include "framework/interchange/pickle.h"
#include "framework/io/safetensors.h"

namespace espalier {

/// Throws Error(checkpoint).
template <class... Args>
[[noreturn]] void corrupt_torch_file(const std::string& where, fmt::format_string<Args...> what,
                                     Args&&... args) {
  fail(ExitCode::checkpoint, "{}: not a PyTorch file that can be read: {}", where,
       fmt::format(what, std::forward<Args>(args)...));
}

/// A storage as a pickle mentions it.
struct TorchStorage {
  std::string key;
  DType dtype = DType::f32;
  std::uint64_t count = 0;  ///< values
  std::uint64_t begin = 0;  ///< of a view into another storage (files before 1.0): its first value
};

/// Where the bytes of storages are.
class TorchStorages {
 public:
  virtual ~TorchStorages() = default;
  /// All bytes under storage.key: a multiple of the size of its values.
  virtual std::string_view bytes(const TorchStorage& storage) = 0;
};

/// `id` must be a persistent id that stands for a storage. Throws Error(checkpoint) if it is not.
TorchStorage torch_storage(const Pickle& pickle, PickleId id, const std::string& where);

/// What a value of a pickle is, seen as a tensor.
struct TorchTensor {
  TorchStorage storage;
  std::uint64_t offset = 0;  ///< counted in values, as strides are
  std::vector<std::int64_t> shape, stride;
};

struct TorchValue {
  std::optional<TorchTensor> tensor;
  std::string unsupported;  ///< a tensor of a kind that is not read: what made it, such as "_rebuild_qtensor"
};

/// Neither is set if the value is no tensor. Throws Error(checkpoint) naming `name` for arguments that make
/// no sense.
TorchValue torch_value(const Pickle& pickle, PickleId id, const std::string& name, const std::string& where);

/// Copies the values row by row. Throws Error(checkpoint) unless all are inside the storage.
StoredTensor copy_tensor(const TorchTensor& tensor, const std::string& name, TorchStorages& storages,
                         const std::string& where);

}  // namespace espalier
