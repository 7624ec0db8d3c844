// check.h: the one way this program reports what is wrong. Every message names the place (file, JSON path or
// tensor), the value, the rule and what to do; every kind of failure has its own exit code.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace espalier {

/// What the process returns to the shell; documented in README.md.
enum class ExitCode : int {
  ok = 0,
  internal = 1,      ///< a broken invariant of ours: a bug
  usage = 2,         ///< unknown verb, flag or argument
  config = 3,        ///< configuration file: syntax, unknown key, type, range, contradiction
  data = 4,          ///< data set: missing, truncated, corrupt, inconsistent
  checkpoint = 5,    ///< checkpoint: corrupt, of another model, missing tensors
  numeric = 6,       ///< non-finite loss or gradient, matrix not positive definite
  memory = 7,        ///< the job would not fit into memory
  io = 8,            ///< writing failed: disk full, no permission
  pruning = 9,       ///< a layer would lose all its weights
  interrupted = 130  ///< stopped by Ctrl-C; continue with --resume
};

class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

template <class... Args>
[[noreturn]] void fail(ExitCode code, fmt::format_string<Args...> message, Args&&... args) {
  throw Error(code, fmt::format(message, std::forward<Args>(args)...));
}

/// Throws Error(internal) unless `condition`; the message is formatted only on failure.
template <class... Args>
void require(bool condition, fmt::format_string<Args...> message, Args&&... args) {
  if (!condition) [[unlikely]]
    throw Error(ExitCode::internal, fmt::format(message, std::forward<Args>(args)...));
}

}  // namespace espalier
