#include "tools/espalier/process.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "framework/core/check.h"
#include "framework/core/interrupt.h"
#include "framework/io/progress.h"

namespace espalier {
namespace {

/// The write function of a stream onto the descriptor that `cookie` is: as usual, but a closed pipe swallows.
ssize_t write_or_drop(void* cookie, const char* data, std::size_t bytes) {
  const auto descriptor = static_cast<int>(reinterpret_cast<std::intptr_t>(cookie));
  std::size_t done = 0;
  while (done < bytes) {
    const ssize_t n = ::write(descriptor, data + done, bytes - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EPIPE) return static_cast<ssize_t>(bytes);
    if (n <= 0) return static_cast<ssize_t>(done);  // short: an error of the stream
    done += static_cast<std::size_t>(n);
  }
  return static_cast<ssize_t>(bytes);
}

/// glibc lets stdout and stderr be other streams.
void tolerate_closed_pipe(FILE*& stream, int descriptor, int buffering) {
  cookie_io_functions_t functions{};
  functions.write = write_or_drop;
  FILE* const own =
      ::fopencookie(reinterpret_cast<void*>(static_cast<std::intptr_t>(descriptor)), "w", functions);
  if (!own) return;
  std::setvbuf(own, nullptr, buffering, BUFSIZ);
  stream = own;
}

/// Lines on standard error that are no JSON yet become JSON; a part of a line waits for its end.
class JsonLines {
 public:
  void write(std::string_view text) {
    for (const char c : text) {
      if (c != '\n') {
        part_ += c;
        continue;
      }
      emit();
    }
  }
  ~JsonLines() { emit(); }

 private:
  void emit() {
    if (part_.empty()) return;
    std::string line = std::move(part_);
    part_.clear();
    if (!line.starts_with("{\"event\": \"") && !line.starts_with("{\"event\":\""))
      line = nlohmann::ordered_json{{"event", "log"}, {"text", line}}.dump(
          -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
    line += '\n';
    write_or_drop(reinterpret_cast<void*>(static_cast<std::intptr_t>(STDERR_FILENO)), line.data(), line.size());
  }
  std::string part_;
};

ssize_t write_as_json(void* lines, const char* data, std::size_t bytes) {
  static_cast<JsonLines*>(lines)->write({data, bytes});
  return static_cast<ssize_t>(bytes);
}

constexpr const char* no_memory = "error: out of memory; --dry-run shows what each part of a run takes\n";

/// Destructors of the JSON library allocate. Where that fails nothing can be caught; but what counts is on the
/// disk or not at all, so that the program may end at any point.
[[noreturn]] void at_the_end() {
  try {
    if (const std::exception_ptr e = std::current_exception()) std::rethrow_exception(e);
  } catch (const std::bad_alloc&) {
    [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, no_memory, std::strlen(no_memory));
    ::_exit(static_cast<int>(ExitCode::memory));
  } catch (...) {
  }
  std::abort();
}

sigset_t interrupts() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

void settle_standard_streams() {
  for (int descriptor = -1; descriptor <= STDERR_FILENO;) {
    descriptor = ::open("/dev/null", O_RDWR);
    if (descriptor > STDERR_FILENO) ::close(descriptor);
    if (descriptor < 0) break;
  }
  std::signal(SIGPIPE, SIG_IGN);
  tolerate_closed_pipe(stdout, STDOUT_FILENO, ::isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF);
  tolerate_closed_pipe(stderr, STDERR_FILENO, _IONBF);
}

void log_as_json() {
  static JsonLines lines;
  cookie_io_functions_t functions{};
  functions.write = write_as_json;
  FILE* const own = ::fopencookie(&lines, "w", functions);
  if (!own) return;
  std::setvbuf(own, nullptr, _IONBF, 0);
  stderr = own;
  progress_as_json();
}

void settle_signals() {
  std::set_terminate(at_the_end);
  end_on_signals();
  std::signal(SIGXFSZ, SIG_IGN);
  const sigset_t set = interrupts();  // blocked by restart_without_blas_threads
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
}

void restart_without_blas_threads(char** argv) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  if (std::getenv("OPENBLAS_NUM_THREADS") || ::setenv("OPENBLAS_NUM_THREADS", "1", 1) != 0) return;
  const sigset_t set = interrupts();  // so that one that comes before our handlers are back waits for them
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ::execv("/proc/self/exe", argv);
}

void flush_output() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout))
    fail(ExitCode::io, "standard output: writing failed; free disk space or redirect it elsewhere");
}

}  // namespace espalier
