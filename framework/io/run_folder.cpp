#include "framework/io/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace espalier {
namespace fs = std::filesystem;
namespace {

/// The folder itself, after it was created, so that it exists before its lock is opened.
fs::path created(fs::path path) {
  std::error_code error;
  fs::create_directories(path / "plots", error);
  if (error)
    fail(ExitCode::io, "{}: the run folder cannot be created: {}; choose another --output", path.string(),
         error.message());
  return path;
}

}  // namespace

RunFolder::RunFolder(fs::path path)
    : path_(created(std::move(path))), lock_(path_ / ".lock", O_RDWR | O_CREAT, ExitCode::io) {
  // flock and not a mere file: the system releases it even after kill -9.
  if (::flock(lock_.descriptor(), LOCK_EX | LOCK_NB) != 0) {
    std::string holder = read_whole_file(lock_.path());
    while (!holder.empty() && holder.back() == '\n') holder.pop_back();
    fail(ExitCode::usage, "{}: process {} is writing this run; wait until it ends or choose another --output",
         path_.string(), holder.empty() ? "(unknown)" : holder);
  }
  if (::ftruncate(lock_.descriptor(), 0) == 0) lock_.write(fmt::format("{}\n", ::getpid()));
}

}  // namespace espalier
