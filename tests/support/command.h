// command.h: the program run as a user runs it: in a folder of its own, its output and exit code kept.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/temp_folder.h"

namespace espalier::testing {

inline std::string slurp(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// Sanitizers want to be loaded first, and take more address space than any limit leaves.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

struct Outcome {
  int code = 0;        ///< exit code; 1000 + signal if one ended it
  std::string output;  ///< standard output and error
};

/// Limits and surroundings of a started program.
struct Surroundings {
  rlim_t file_size = RLIM_INFINITY, address_space = RLIM_INFINITY;
  std::vector<std::string> environment{};  ///< NAME=VALUE, set in addition
};

class Program {
 public:
  /// Runs ESPALIER_CLI of the test in `folder`.
  Program(std::string program, const TempFolder& folder) : program_(std::move(program)), folder_(folder) {}

  pid_t start(const std::vector<std::string>& arguments, const Surroundings& around = {}) const {
    // A signal that comes before main() waits for the program's handlers, which then take it: on a busy machine
    // the first milliseconds are the test's and the loader's, and nobody's to heed.
    sigset_t interrupts, before;
    sigemptyset(&interrupts);
    sigaddset(&interrupts, SIGINT);
    sigaddset(&interrupts, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &interrupts, &before);
    const pid_t child = ::fork();
    if (child != 0) {
      ::sigprocmask(SIG_SETMASK, &before, nullptr);
      return child;
    }
    const auto limit = [](auto which, rlim_t to) {
      const rlimit both{to, to};
      if (to != RLIM_INFINITY) ::setrlimit(which, &both);
    };
    limit(RLIMIT_FSIZE, around.file_size);
    limit(RLIMIT_AS, around.address_space);
    for (const std::string& setting : around.environment) ::putenv(const_cast<char*>(setting.c_str()));
    if (!std::freopen((folder_ / "output.txt").c_str(), "w", stdout) || ::dup2(1, 2) < 0 ||
        ::chdir(folder_.path().c_str()) != 0)
      ::_exit(99);
    std::vector<char*> argv{const_cast<char*>(program_.c_str())};
    for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    ::execv(program_.c_str(), argv.data());
    ::_exit(98);
  }
  Outcome finish(pid_t child) const {
    int status = 0;
    ::waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status), slurp(folder_ / "output.txt")};
  }
  Outcome run(const std::vector<std::string>& arguments, const Surroundings& around = {}) const {
    return finish(start(arguments, around));
  }

 private:
  std::string program_;
  const TempFolder& folder_;
};

inline void expect_outcome(const Outcome& o, int code, std::initializer_list<const char*> parts) {
  EXPECT_EQ(o.code, code) << o.output;
  for (const char* part : parts)
    EXPECT_NE(o.output.find(part), std::string::npos) << "no '" << part << "' in:\n" << o.output;
  EXPECT_EQ(o.output.find("json.exception"), std::string::npos) << o.output;
}

}  // namespace espalier::testing
