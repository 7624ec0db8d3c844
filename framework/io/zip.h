// zip.h: reading zip archives: what .npz files and PyTorch's .pt files are. Stored and deflated entries,
// ZIP64; no encryption, no archives in parts. Nothing is written to disk under the names in the archive.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "framework/core/check.h"
#include "framework/io/atomic_file.h"

namespace espalier {

struct ZipEntry {
  std::string name;
  std::uint64_t header = 0;  ///< where its local header is
  std::uint64_t packed = 0, size = 0;
  std::uint32_t crc = 0;
  bool deflated = false;
};

class ZipArchive {
 public:
  /// Reads the directory at the end of the file. Throws Error(on_failure) naming file and entry if the
  /// archive is damaged, truncated, encrypted, in parts, or packed by a method other than deflate.
  ZipArchive(const std::filesystem::path& path, ExitCode on_failure);

  const std::vector<ZipEntry>& entries() const { return entries_; }
  const std::filesystem::path& path() const { return file_.path(); }
  std::uint64_t file_size() const { return size_; }
  /// Null if there is none of that name.
  const ZipEntry* find(std::string_view name) const;
  /// The unpacked bytes, their CRC compared. Throws Error(on_failure), or Error(memory) if they do not fit.
  std::string read(const ZipEntry& entry) const;

 private:
  struct Directory {
    std::uint64_t begin, size, entries;
  };
  Directory find_directory() const;
  void parse_directory(const Directory& where);
  FileHandle file_;
  ExitCode on_failure_;
  std::uint64_t size_;
  std::vector<ZipEntry> entries_;
};

}  // namespace espalier
