#include "framework/core/memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>

#include "framework/core/check.h"

namespace espalier {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();

/// The number after the word `key` in a file of lines "key number ..."; nothing if there is none.
std::optional<std::uint64_t> value_of(const fs::path& path, std::string_view key) {
  std::ifstream in(path);
  std::string line, word;
  while (std::getline(in, line)) {
    std::istringstream fields(line);
    std::uint64_t value = 0;
    if (fields >> word && word == key && fields >> value) return value;
  }
  return std::nullopt;
}

/// The number a file consists of; nothing for "max" or no file.
std::optional<std::uint64_t> number_in(const fs::path& path) {
  std::ifstream in(path);
  std::uint64_t value = 0;
  if (in >> value) return value;
  return std::nullopt;
}

/// Names of the files in which one version of control groups keeps what we need.
struct GroupFiles {
  const char *mount, *limit, *usage, *reclaimable;
};
constexpr GroupFiles version1{"sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                              "total_inactive_file"};
constexpr GroupFiles version2{"sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"};

std::uint64_t left_in(const fs::path& group, const GroupFiles& files) {
  const auto limit = number_in(group / files.limit);
  const auto usage = number_in(group / files.usage);
  if (!limit || !usage) return unlimited;
  const std::uint64_t cache = value_of(group / "memory.stat", files.reclaimable).value_or(0);
  const std::uint64_t used = *usage > cache ? *usage - cache : 0;
  return *limit > used ? *limit - used : 0;
}

/// The least that the group and its parents leave. In a container the path may be that of the host: parts
/// that do not exist under the mount are passed over.
std::uint64_t left_in_all(const fs::path& root, const GroupFiles& files, std::string group) {
  std::uint64_t least = unlimited;
  while (true) {
    least = std::min(least, left_in(root / files.mount / fs::path(group).relative_path(), files));
    if (group.empty() || group == "/") return least;
    group = fs::path(group).parent_path().string();
  }
}

}  // namespace

std::uint64_t available_memory(const fs::path& root) {
  std::uint64_t least = value_of(root / "proc/meminfo", "MemAvailable:").value_or(unlimited / 1024) * 1024;
  std::ifstream groups(root /
                       "proc/self/cgroup");  // lines "number:controllers:path"; version 2 has no controllers
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = fmt::format(",{},", line.substr(first + 1, second - first - 1));
    const std::string group = line.substr(second + 1);
    if (controllers == ",,") least = std::min(least, left_in_all(root, version2, group));
    if (controllers.find(",memory,") != std::string::npos)
      least = std::min(least, left_in_all(root, version1, group));
  }
  return std::min(least, available_address_space(root));
}

std::uint64_t available_address_space(const fs::path& root) {
  constexpr std::string_view name = "Max address space";
  std::ifstream limits(root / "proc/self/limits");  // lines "name  soft limit  hard limit  unit"
  for (std::string line; std::getline(limits, line);) {
    std::uint64_t limit = 0;
    if (!line.starts_with(name) || !(std::istringstream(line.substr(name.size())) >> limit)) continue;
    const std::uint64_t used = value_of(root / "proc/self/status", "VmSize:").value_or(0) * 1024;
    return limit > used ? limit - used : 0;
  }
  return unlimited;
}

void require_memory(double bytes, const std::string& what) {
  const auto available = static_cast<double>(available_memory());
  if (bytes > available)
    fail(ExitCode::memory,
         "{}: {:.3g} GB are needed and {:.3g} GB available; use a "
         "smaller model, batch, data set (train_limit) or prune.num_grads",
         what, bytes / 1e9, available / 1e9);
}

std::uint64_t peak_resident_memory(const fs::path& root) {
  return value_of(root / "proc/self/status", "VmHWM:").value_or(0) * 1024;
}

}  // namespace espalier
