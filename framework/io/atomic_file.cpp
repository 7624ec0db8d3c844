#include "framework/io/atomic_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace espalier {
namespace fs = std::filesystem;
namespace {

std::string reason(int error) { return std::generic_category().message(error); }

/// Where `path` leads: renaming onto a link would replace the link instead of the file it stands for.
fs::path target_of(const fs::path& path) {
  std::error_code ignored, error;
  fs::path target = fs::is_symlink(path, ignored) ? fs::canonical(path, error) : path;
  if (error)
    fail(ExitCode::io, "{}: the symbolic link leads nowhere ({}); remove it", path.string(), error.message());
  const fs::file_status status = fs::status(target, ignored);
  if (fs::exists(status) && !fs::is_regular_file(status))
    fail(ExitCode::io, "{}: cannot be written, it is no regular file; choose another name", path.string());
  return target;
}

fs::path directory_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

}  // namespace

FileHandle::FileHandle(fs::path path, int flags, ExitCode on_failure)
    : path_(std::move(path)), on_failure_(on_failure), descriptor_(-1) {
  do descriptor_ = ::open(path_.c_str(), flags | O_CLOEXEC, 0666);
  while (descriptor_ < 0 && errno == EINTR);
  if (descriptor_ < 0) {
    const int error = errno;
    const bool creates = (flags & O_CREAT) != 0;
    fail(on_failure_, "{}: cannot be {}: {}{}", path_.string(), creates ? "created" : "opened", reason(error),
         creates && error == ENOENT ? " (its directory is missing; create it)" : "");
  }
}

FileHandle::~FileHandle() { ::close(descriptor_); }

std::uint64_t FileHandle::size() const {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0)
    fail(on_failure_, "{}: cannot be examined: {}", path_.string(), reason(errno));
  if (!S_ISREG(status.st_mode)) fail(on_failure_, "{}: is no regular file", path_.string());
  return static_cast<std::uint64_t>(status.st_size);
}

void FileHandle::write(const void* data, std::size_t bytes) {
  const char* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t n = ::write(descriptor_, from, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail(ExitCode::io, "{}: writing failed: {}", path_.string(), reason(n < 0 ? errno : ENOSPC));
    from += n;
    bytes -= static_cast<std::size_t>(n);
  }
}

void FileHandle::read(std::uint64_t offset, void* data, std::size_t bytes) const {
  char* to = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t n = ::pread(descriptor_, to, bytes, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(on_failure_, "{}: reading failed: {}", path_.string(), reason(errno));
    if (n == 0)
      fail(on_failure_, "{}: ends at byte {}, {} more were expected", path_.string(), offset, bytes);
    to += n;
    offset += static_cast<std::uint64_t>(n);
    bytes -= static_cast<std::size_t>(n);
  }
}

void FileHandle::sync() {
  int result = 0;
  do result = ::fsync(descriptor_);
  while (result != 0 && errno == EINTR);
  // EINVAL: this file system has nothing to sync (directories on some network file systems).
  if (result != 0 && errno != EINVAL)
    fail(ExitCode::io, "{}: writing failed: {}", path_.string(), reason(errno));
}

AtomicFile::AtomicFile(const fs::path& path)
    : path_(target_of(path)),
      temporary_(directory_of(path_) / fmt::format(".{}.tmp", path_.filename().string())),
      // The name is fixed, so what a killed process left is overwritten by the next one and never piles up.
      file_(temporary_, O_WRONLY | O_CREAT, ExitCode::io) {
  struct stat opened {
  }, named{};
  if (::flock(file_.descriptor(), LOCK_EX | LOCK_NB) != 0 || ::fstat(file_.descriptor(), &opened) != 0 ||
      ::stat(temporary_.c_str(), &named) != 0 || opened.st_ino != named.st_ino)
    fail(ExitCode::io, "{}: another process is writing it; try again when it has ended", path_.string());
  if (::ftruncate(file_.descriptor(), 0) != 0)
    fail(ExitCode::io, "{}: writing failed: {}", temporary_.string(), reason(errno));
}

AtomicFile::~AtomicFile() {
  if (!committed_) ::unlink(temporary_.c_str());
}

void AtomicFile::give_up(const Error& cause) {
  std::error_code ignored;
  const char* state =
      fs::exists(path_, ignored) ? "the previous version is intact" : "nothing was left behind";
  fail(ExitCode::io, "{}: not saved, {}. {}. Free disk space or choose another output folder", path_.string(),
       state, cause.what());
}

void AtomicFile::write(const void* data, std::size_t bytes) try {
  file_.write(data, bytes);
} catch (const Error& cause) {
  give_up(cause);
}

void AtomicFile::commit() {
  try {
    file_.sync();
    if (::rename(temporary_.c_str(), path_.c_str()) != 0)
      fail(ExitCode::io, "{}: cannot be renamed: {}", temporary_.string(), reason(errno));
  } catch (const Error& cause) {
    give_up(cause);
  }
  committed_ = true;
  FileHandle(directory_of(path_), O_RDONLY | O_DIRECTORY, ExitCode::io).sync();  // makes the new name last
}

void write_file_atomically(const fs::path& path, std::string_view contents) {
  AtomicFile file(path);
  file.write(contents);
  file.commit();
}

std::string read_whole_file(const fs::path& path, ExitCode on_failure) {
  const FileHandle file(path, O_RDONLY, on_failure);
  std::string contents(file.size(), '\0');
  file.read(0, contents.data(), contents.size());
  return contents;
}

}  // namespace espalier
