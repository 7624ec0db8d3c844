// read_file.h: whole files into memory, with messages that say what is wrong with them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace espalier {

using Bytes = std::vector<std::uint8_t>;

/// All bytes of `path`. Throws Error(data) if it is missing, no regular file or unreadable;
/// `advice` ends the message.
Bytes read_file(const std::filesystem::path& path, const std::string& advice = {});

/// The bytes a file must have in all, told from its first ones; throws Error(data) if these are not of its
/// kind.
using AnnouncedSize = std::function<std::size_t(std::span<const std::uint8_t> head)>;

/// A file whose first `head` bytes announce its size, plain or gzipped (whatever its name). Nothing beyond that
/// size is unpacked. Throws Error(data) if the size is another, or if the gzip data are corrupt, truncated or
/// followed by anything.
Bytes read_announced(const std::filesystem::path& path, std::size_t head, const AnnouncedSize& announced,
                     const std::string& advice = {});

/// The lines of a text file without line ends and without empty lines.
std::vector<std::string> read_lines(const std::filesystem::path& path);

}  // namespace espalier
