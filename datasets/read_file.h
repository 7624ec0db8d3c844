// read_file.h: whole files into memory, with messages that say what is wrong with them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace espalier {

using Bytes = std::vector<std::uint8_t>;

/// All bytes of `path`. Throws Error(data) if it is missing, no regular file or unreadable;
/// `advice` ends the message.
Bytes read_file(const std::filesystem::path& path, const std::string& advice = {});

/// The same, unpacked if the name ends in ".gz". Throws Error(data) if the gzip data are corrupt, truncated
/// or followed by anything.
Bytes read_maybe_gzip(const std::filesystem::path& path, const std::string& advice = {});

/// The lines of a text file without line ends and without empty lines.
std::vector<std::string> read_lines(const std::filesystem::path& path);

}  // namespace espalier
