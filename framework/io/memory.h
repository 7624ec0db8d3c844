// memory.h: how much memory this process may still take, and how much it took at most.
#pragma once

#include <cstdint>
#include <filesystem>

namespace espalier {

/// Bytes: the lesser of the system's MemAvailable and what the limits of this process's control groups (v1 or
/// v2, the group and all its parents) leave, reclaimable page cache not counted as used. Limits that cannot
/// be read do not count. `root` is "/" except in tests.
std::uint64_t available_memory(const std::filesystem::path& root = "/");

/// Largest resident set of this process so far, in bytes; 0 if unknown.
std::uint64_t peak_resident_memory(const std::filesystem::path& root = "/");

}  // namespace espalier
