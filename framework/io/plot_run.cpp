// plot_run.cpp: the gnuplot program: found on the PATH, started without a shell, awaited.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <sstream>
#include <string_view>
#include <thread>

#include "framework/io/atomic_file.h"
#include "framework/io/plot.h"

extern char** environ;

namespace espalier {
namespace {

constexpr std::chrono::seconds patience{60};

/// Waits for the child; kills it when it takes too long. True if it ended by itself with status 0.
bool succeeded(pid_t child) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  int status = 0;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > deadline) {
      ::kill(child, SIGKILL);
      ::waitpid(child, &status, 0);
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// A PNG from its first to its last chunk.
bool whole_png(const std::filesystem::path& path) {
  using namespace std::string_view_literals;
  const std::string bytes = read_whole_file(path);
  return bytes.starts_with("\x89PNG\r\n\x1a\n"sv) && bytes.ends_with("\0\0\0\0IEND\xae\x42\x60\x82"sv);
}

}  // namespace

bool gnuplot_available() {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path ? path : "/usr/bin:/bin");
  for (std::string folder; std::getline(folders, folder, ':');)
    if (!folder.empty() && ::access((std::filesystem::path(folder) / "gnuplot").c_str(), X_OK) == 0)
      return true;
  return false;
}

bool write_plot(const std::filesystem::path& name, const std::string& script) {
  const std::filesystem::path folder =
      name.has_parent_path() ? name.parent_path() : std::filesystem::path(".");
  const std::string file = name.filename().string();
  const std::filesystem::path png = folder / (file + ".png");
  write_file_atomically(folder / (file + ".gp"), script);
  std::error_code ignored;
  std::filesystem::remove(png, ignored);  // an old picture must not pass for a new one
  if (!gnuplot_available()) return false;

  std::string program = "gnuplot", defaults = "--default-settings", input = fmt::format("./{}.gp", file);
  const std::array<char*, 4> arguments{program.data(), defaults.data(), input.data(), nullptr};
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, program.c_str(), &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  const bool drawn = error == 0 && succeeded(child) && std::filesystem::exists(png, ignored);
  if (drawn && !whole_png(png)) {  // gnuplot does not tell whether its output could be written
    std::filesystem::remove(png, ignored);
    fail(ExitCode::io, "{}: the picture could not be written whole; free disk space, or raise ulimit -f",
         png.string());
  }
  if (!drawn) std::filesystem::remove(png, ignored);  // what a failed run may have begun
  return drawn;
}

}  // namespace espalier
