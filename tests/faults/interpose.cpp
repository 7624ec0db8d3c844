// interpose.cpp: put before the system's library (LD_PRELOAD), it lets one call of a program fail:
//   ESPALIER_FAIL_WRITE=n   the n-th call that changes a file (write, fsync, rename, ftruncate, open to write):
//                           the disk is full from there on, or with ESPALIER_FAIL_ONCE only for that call
//   ESPALIER_FAIL_NEW=n     the n-th allocation by operator new: no memory
// Calls count from the first file opened for reading (the config), so that loading the program is not counted.
// ESPALIER_FAIL_COUNT=FILE: nothing fails; the numbers of both are written there at the end.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>

namespace {

std::atomic<long> writes{0}, allocations{0};
std::atomic<bool> counting{false};
thread_local bool inside = false;

long wanted(const char* name) {
  const char* text = std::getenv(name);
  return text ? std::atol(text) : 0;
}

/// Whether this call is to fail.
bool write_fails() {
  static const long at = wanted("ESPALIER_FAIL_WRITE");
  static const bool once = std::getenv("ESPALIER_FAIL_ONCE") != nullptr;
  if (!counting.load()) return false;
  const long n = writes.fetch_add(1) + 1;
  return at > 0 && (once ? n == at : n >= at);
}

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

void report() {
  const char* file = std::getenv("ESPALIER_FAIL_COUNT");
  if (!file) return;
  counting.store(false);
  if (std::FILE* out = std::fopen(file, "w")) {
    std::fprintf(out, "%ld %ld\n", writes.load(), allocations.load());
    std::fclose(out);
  }
}
const int registered = std::atexit(report);

int failed() {
  errno = ENOSPC;
  return -1;
}

void* allocate(std::size_t size, std::size_t alignment) {
  static const long at = wanted("ESPALIER_FAIL_NEW");
  if (counting.load() && !inside) {
    inside = true;
    const bool fails = allocations.fetch_add(1) + 1 == at;
    inside = false;
    if (fails) throw std::bad_alloc();
  }
  void* memory = nullptr;
  if (alignment <= alignof(std::max_align_t))
    memory = std::malloc(size ? size : 1);
  else if (::posix_memalign(&memory, alignment, size ? size : 1) != 0)
    memory = nullptr;
  if (!memory) throw std::bad_alloc();
  return memory;
}

}  // namespace

extern "C" {

ssize_t write(int file, const void* data, size_t bytes) {
  static const auto real = next<ssize_t(int, const void*, size_t)>("write");
  // What is printed is no file of a run.
  if (file > STDERR_FILENO && write_fails()) return failed();
  return real(file, data, bytes);
}
int fsync(int file) {
  static const auto real = next<int(int)>("fsync");
  return write_fails() ? failed() : real(file);
}
int rename(const char* from, const char* to) {
  static const auto real = next<int(const char*, const char*)>("rename");
  return write_fails() ? failed() : real(from, to);
}
int ftruncate(int file, off_t size) noexcept {
  static const auto real = next<int(int, off_t)>("ftruncate");
  return write_fails() ? failed() : real(file, size);
}
int open(const char* path, int flags, ...) {
  static const auto real = next<int(const char*, int, ...)>("open");
  mode_t mode = 0;
  if (flags & O_CREAT) {
    std::va_list arguments;
    va_start(arguments, flags);
    mode = va_arg(arguments, mode_t);
    va_end(arguments);
  }
  if ((flags & O_CREAT) && write_fails()) return failed();
  return real(path, flags, mode);
}
std::FILE* fopen64(const char* path, const char* mode) {
  static const auto real = next<std::FILE*(const char*, const char*)>("fopen64");
  counting.store(true);
  return real(path, mode);
}
}

void* operator new(std::size_t size) { return allocate(size, 0); }
void* operator new[](std::size_t size) { return allocate(size, 0); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
