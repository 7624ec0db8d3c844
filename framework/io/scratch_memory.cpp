#include "framework/io/scratch_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "framework/core/check.h"
#include "framework/io/progress.h"

namespace espalier {

ScratchMemory::ScratchMemory(const std::string& folder, std::size_t bytes) : bytes_(bytes) {
  std::string name = folder + "/espalier-scratch-XXXXXX";
  const int file = ::mkostemp(name.data(), O_CLOEXEC);
  const auto give_up = [&](int reason) {
    if (file >= 0) ::close(file);
    fail(ExitCode::io, "{}: no room for {} of scratch memory: {}. Free space there, or use fewer rows",
         folder, format_bytes(static_cast<double>(bytes)), std::strerror(reason));
  };
  if (file < 0) give_up(errno);
  ::unlink(name.c_str());  // gone with the process, whatever happens
  if (bytes == 0) {
    ::close(file);
    return;
  }
  if (const int reason = ::posix_fallocate(file, 0, static_cast<off_t>(bytes)); reason != 0) give_up(reason);
  data_ = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (data_ == MAP_FAILED) give_up(errno);
  ::close(file);
}

ScratchMemory::~ScratchMemory() {
  if (data_ != nullptr) ::munmap(data_, bytes_);
}

}  // namespace espalier
