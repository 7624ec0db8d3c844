// atomic_file.h: files that are replaced whole or not at all. The new version is written beside the old
// one under a temporary name, synced and renamed, so a full disk or a kill in the middle leaves the old
// version untouched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "framework/core/check.h"

namespace espalier {

/// An open file descriptor with a name for messages;
/// closed on destruction, never inherited by child processes.
class FileHandle {
 public:
  /// `flags` as for open(2); O_CLOEXEC is added. Throws Error(on_failure) naming the file.
  FileHandle(std::filesystem::path path, int flags, ExitCode on_failure);
  ~FileHandle();
  FileHandle(const FileHandle&) = delete;
  FileHandle& operator=(const FileHandle&) = delete;

  int descriptor() const { return descriptor_; }
  const std::filesystem::path& path() const { return path_; }
  /// Bytes in the file now.
  std::uint64_t size() const;
  /// Appends at the current position until all is written. Throws Error(io) with the system's reason (disk
  /// full, ...).
  void write(const void* data, std::size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// Reads exactly `bytes` at `offset`. Throws Error(on_failure) if the file ends before.
  void read(std::uint64_t offset, void* data, std::size_t bytes) const;
  /// Waits until the contents are on the disk. Throws Error(io).
  void sync();

 private:
  std::filesystem::path path_;
  ExitCode on_failure_;
  int descriptor_;
};

/// Replaces `path` with `contents`. Throws Error(io) naming the file, the system's reason and whether an
/// earlier version is left; then the temporary file is gone and the old version unchanged. The directory must
/// exist; a symbolic link is followed; anything else that is no regular file is refused.
void write_file_atomically(const std::filesystem::path& path, std::string_view contents);

/// The same in pieces: nothing is visible under `path` before commit(); without commit() nothing changes.
class AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  void write(const void* data, std::size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void commit();
  /// Where the pieces are until commit(): ".NAME.tmp" in the same directory.
  const std::filesystem::path& temporary() const { return temporary_; }

 private:
  [[noreturn]] void give_up(const Error& reason);
  std::filesystem::path path_, temporary_;
  FileHandle file_;
  bool committed_ = false;
};

/// All bytes of a file. Throws Error(on_failure) if it is missing, no regular file or unreadable.
std::string read_whole_file(const std::filesystem::path& path, ExitCode on_failure = ExitCode::io);

}  // namespace espalier
