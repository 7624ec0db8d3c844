// zstd.h: compression of a whole file by zstd (RFC 8878), as `zstd -d` undoes it. The content carries a
// checksum, so damage is seen.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace espalier {

/// Whether `bytes` begin as a zstd frame does.
bool is_zstd(std::string_view bytes);
/// The parts one after another in one frame. Each begins a block of its own, whose code fits its bytes alone:
/// positions and the upper and lower bytes of floats share no statistics.
std::string zstd_compress(std::span<const std::string_view> parts);
/// Throws Error(checkpoint) naming `path` if the frame is damaged, cut off or followed by something else.
std::string zstd_decompress(std::string_view bytes, const std::filesystem::path& path);

}  // namespace espalier
