// memory.h: how much memory this process may still take, and how much it took at most.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace espalier {

/// Bytes: the lesser of the system's MemAvailable and what the limits of this process's control groups (v1 or
/// v2, the group and all its parents) leave, reclaimable page cache not counted as used. Limits that cannot
/// be read do not count; a limit of the address space (ulimit -v) does. `root` is "/" except in tests.
std::uint64_t available_memory(const std::filesystem::path& root = "/");

/// Bytes of address space that `ulimit -v` leaves; the largest number if there is no limit.
std::uint64_t available_address_space(const std::filesystem::path& root = "/");

/// Throws Error(memory) if `bytes` more are not available. The system grants memory it does not have and
/// kills the process that uses it, so large arrays ask here first. `what` begins the message.
void require_memory(double bytes, const std::string& what);

/// Largest resident set of this process so far, in bytes; 0 if unknown.
std::uint64_t peak_resident_memory(const std::filesystem::path& root = "/");

}  // namespace espalier
