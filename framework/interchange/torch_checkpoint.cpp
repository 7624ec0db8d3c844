#include "framework/interchange/torch_checkpoint.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <set>

#include "framework/core/check.h"
#include "framework/core/memory.h"
#include "framework/interchange/torch_tensors.h"
#include "framework/io/atomic_file.h"
#include "framework/io/file_kind.h"
#include "framework/io/zip.h"

namespace espalier {
namespace {

using Kind = PickleNode::Kind;

/// Finds the tensors in the object that was saved and names them as state_dict() would.
class Collector {
 public:
  Collector(const Pickle& pickle, TorchStorages& storages, std::uint64_t file_size, std::string where)
      : pickle_(pickle),
        storages_(storages),
        budget_(file_size * 16 + (64u << 20)),
        where_(std::move(where)) {}

  ReadTensors collect() {
    const PickleId from = choose();
    walk(from, "", 0);
    if (out_.file.tensors.empty())
      corrupt_torch_file(where_, "it holds no tensors by name{}; save model.state_dict()",
                         keys(pickle_.root));
    if (!unsupported_.empty())
      out_.notices.push_back(fmt::format("{} unusual tensors were left out: {}", unsupported_.size(),
                                         fmt::join(unsupported_, ", ")));
    return std::move(out_);
  }

 private:
  /// A checkpoint of a training keeps the weights beside the optimiser's state.
  PickleId choose() {
    constexpr std::array<std::string_view, 6> names{"state_dict", "model_state_dict", "model",
                                                    "net",        "network",          "weights"};
    for (const std::string_view name : names) {
      const PickleId inner = pickle_.get(pickle_.root, name);
      if (inner < 0 || torch_value(pickle_, inner, std::string(name), where_).tensor) continue;
      if (pickle_[inner].kind != Kind::dict && pickle_[inner].kind != Kind::object) continue;
      out_.notices.push_back(fmt::format("The tensors are those under '{}'{}.", name, keys(pickle_.root)));
      return inner;
    }
    return pickle_.root;
  }

  std::string keys(PickleId id) const {
    std::string text;
    const auto& pairs = pickle_.pairs(id);
    constexpr std::size_t most = 12;
    for (std::size_t i = 0; i + 1 < pairs.size() && i < 2 * most; i += 2)
      text += (text.empty() ? "" : ", ") + pickle_[pairs[i]].text.substr(0, 60);
    return text.empty() ? text
                        : fmt::format(" (the file has {}{})", text, pairs.size() > 2 * most ? ", ..." : "");
  }

  void walk(PickleId id, const std::string& prefix, int depth) {
    constexpr int most_nested = 64;
    constexpr int most_visits = 1'000'000;
    if (depth > most_nested)
      corrupt_torch_file(where_, "'{}' is more than {} deep", prefix.substr(0, 100), most_nested);
    if (++visits_ > most_visits)
      corrupt_torch_file(where_, "it has more than {} objects in objects", most_visits);
    const auto& pairs = pickle_.pairs(id);
    for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) member(prefix, pairs[i], pairs[i + 1], depth);
    const PickleId state = pickle_[id].kind == Kind::object ? pickle_[id].state : -1;
    if (state < 0 || pickle_[state].kind != Kind::dict || !pairs.empty()) return;
    // A module keeps its members in three dictionaries; TorchScript, and classes of one's own, as attributes.
    bool module = false;
    for (const std::string_view part : {"_parameters", "_buffers", "_modules"})
      if (const PickleId members = pickle_.get(state, part); members >= 0) {
        module = true;
        walk(members, prefix, depth + 1);
      }
    if (!module) walk(state, prefix, depth + 1);
  }

  void member(const std::string& prefix, PickleId key, PickleId value, int depth) {
    if (pickle_[key].kind != Kind::text) return;
    constexpr std::size_t longest = 1000;
    if (pickle_[key].text.size() > longest)
      corrupt_torch_file(where_, "a name of {} bytes; at most {} are allowed", pickle_[key].text.size(),
                         longest);
    const std::string name = prefix + pickle_[key].text;
    TorchValue found = torch_value(pickle_, value, name, where_);
    if (!found.unsupported.empty()) unsupported_.push_back(fmt::format("{} ({})", name, found.unsupported));
    if (found.tensor) {
      if (!names_.insert(name).second) corrupt_torch_file(where_, "the name '{}' is used twice", name);
      StoredTensor tensor = copy_tensor(*found.tensor, name, storages_, where_);
      if (tensor.bytes.size() > budget_)
        corrupt_torch_file(where_,
                           "its tensors share their storages so often that they take 16 times the file");
      budget_ -= tensor.bytes.size();
      out_.file.tensors.push_back(std::move(tensor));
    } else if (pickle_[value].kind == Kind::dict || pickle_[value].kind == Kind::object) {
      walk(value, name + ".", depth + 1);
    }
  }

  const Pickle& pickle_;
  TorchStorages& storages_;
  std::uint64_t budget_;
  std::string where_;
  ReadTensors out_;
  std::set<std::string> names_;
  std::vector<std::string> unsupported_;
  int visits_ = 0;
};

/// <name>/data/<key> in the archive, read when first asked for.
class ZipStorages final : public TorchStorages {
 public:
  ZipStorages(const ZipArchive& archive, std::string root) : archive_(archive), root_(std::move(root)) {}
  std::string_view bytes(const TorchStorage& storage) override {
    const auto known = read_.find(storage.key);
    if (known != read_.end()) return known->second;
    const std::string name = root_ + "data/" + storage.key, path = archive_.path().string();
    const ZipEntry* entry = archive_.find(name);
    if (!entry) corrupt_torch_file(path, "storage '{}' is missing from the archive", name.substr(0, 200));
    if (storage.count > entry->size / size_of(storage.dtype))
      corrupt_torch_file(path, "storage '{}' has {} bytes for {} values of {}", name, entry->size,
                         storage.count, name_of(storage.dtype));
    return read_[storage.key] = archive_.read(*entry);
  }

 private:
  const ZipArchive& archive_;
  std::string root_;
  std::map<std::string, std::string> read_;
};

ReadTensors read_zip_form(const std::filesystem::path& path) {
  const ZipArchive archive(path, ExitCode::checkpoint);
  constexpr std::string_view main = "data.pkl";
  const ZipEntry* found = nullptr;
  for (const ZipEntry& e : archive.entries())
    if (e.name.ends_with("/data.pkl") && std::count(e.name.begin(), e.name.end(), '/') == 1) found = &e;
  if (!found)
    corrupt_torch_file(path.string(), "the zip archive has no data.pkl, so torch.save did not write it");
  const std::string root = found->name.substr(0, found->name.size() - main.size());
  if (const ZipEntry* order = archive.find(root + "byteorder"); order && archive.read(*order) != "little")
    corrupt_torch_file(path.string(),
                       "it was written big-endian; load and save it again on a little-endian machine");
  const std::string where = fmt::format("{}: '{}'", path.string(), found->name);
  const Pickle pickle = read_pickle(archive.read(*found), where);
  ZipStorages storages(archive, root);
  return Collector(pickle, storages, archive.file_size(), where).collect();
}

/// Storages one after the other behind the pickles: a count of 64 bits, then the values.
class LegacyStorages final : public TorchStorages {
 public:
  LegacyStorages(std::string_view bytes, const std::vector<TorchStorage>& order, std::string where)
      : where_(std::move(where)) {
    for (const TorchStorage& s : order) {
      std::uint64_t count = 0;
      if (bytes.size() < sizeof count)
        corrupt_torch_file(where_, "it ends before storage '{}'; it is truncated", s.key);
      std::memcpy(&count, bytes.data(), sizeof count);
      bytes.remove_prefix(sizeof count);
      if (count > bytes.size() / size_of(s.dtype))
        corrupt_torch_file(
            where_, "storage '{}' of {} values leaves the file, which has {} more bytes; it is truncated",
            s.key, count, bytes.size());
      stored_[s.key] = bytes.substr(0, count * size_of(s.dtype));
      bytes.remove_prefix(count * size_of(s.dtype));
    }
  }
  std::string_view bytes(const TorchStorage& storage) override {
    const auto found = stored_.find(storage.key);
    if (found == stored_.end())
      corrupt_torch_file(where_, "storage '{}' is missing", storage.key.substr(0, 200));
    return found->second;
  }

 private:
  std::string where_;
  std::map<std::string, std::string_view> stored_;
};

ReadTensors read_legacy_form(const std::filesystem::path& path) {
  const std::string where = path.string();
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (!error) require_memory(2 * static_cast<double>(size), where);
  const std::string contents = read_whole_file(path, ExitCode::checkpoint);
  std::string_view rest = contents;
  const auto next = [&] {
    Pickle p = read_pickle(rest, where);
    rest.remove_prefix(p.size);
    return p;
  };
  next();  // the magic number, which told the kind of file
  if (const Pickle version = next(); version[version.root].integer != 1001)
    corrupt_torch_file(where, "it has version {}; 1001 is read", version[version.root].integer);
  const Pickle system = next();
  if (const PickleId little = system.get(system.root, "little_endian");
      little >= 0 && system[little].integer != 1)
    corrupt_torch_file(where, "it was written big-endian; load and save it again on a little-endian machine");
  const Pickle pickle = next();
  const Pickle keys = next();

  std::map<std::string, TorchStorage> mentioned;
  for (std::size_t i = 0; i < pickle.nodes.size(); ++i)
    if (pickle.nodes[i].kind == Kind::persistent && pickle[pickle.nodes[i].items[0]].items.size() >= 5) {
      const TorchStorage s = torch_storage(pickle, static_cast<PickleId>(i), where);
      mentioned.emplace(s.key, s);
    }
  std::vector<TorchStorage> order;
  for (const PickleId key : keys[keys.root].items) {
    const auto found = mentioned.find(keys[key].text);
    if (found == mentioned.end())
      corrupt_torch_file(where, "storage '{}' belongs to no tensor, so its type is unknown",
                         keys[key].text.substr(0, 200));
    order.push_back(found->second);
  }
  LegacyStorages storages(rest, order, where);
  return Collector(pickle, storages, contents.size(), where).collect();
}

}  // namespace

ReadTensors read_torch(const std::filesystem::path& path) {
  return kind_of_file(path) == FileKind::torch_legacy ? read_legacy_form(path) : read_zip_form(path);
}

}  // namespace espalier
