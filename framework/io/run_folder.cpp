#include "framework/io/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace espalier {
namespace fs = std::filesystem;
namespace {

constexpr const char* lock_name = ".lock";

/// What train, prune, sweep and curvature write into a run's folder itself. The state comes first: without it
/// nothing of a run can be taken up again.
constexpr std::array files_written{
    "state.safetensors", "checkpoint.safetensors", "dense.safetensors", "metrics.jsonl", "metrics.csv",
    "config.json",       "saliency.jsonl",         "tour.json",         "report.html",   "sweep.csv",
    "experiment.json",   "evaluation.json",        "moments.jsonl",
    "best.safetensors",  "events.out.tfevents.espalier"};

/// What lies there before the lock does: the config that `espalier reproduce` writes, and what a run that was
/// killed in its first moment has made.
bool allowed_before_a_run(const std::string& name, const fs::path& path) {
  std::error_code unknown;
  return name == "cell.json" || name == ".cell.json.tmp" || (name == "plots" && fs::is_empty(path, unknown));
}

/// Whether a run may write here: the folder is not there, or empty, or a run has made it. Else what was found.
std::string foreign_content(const fs::path& folder) {
  std::error_code unknown;
  if (!fs::is_directory(folder, unknown)) return "";  // to be created, or an error when it is
  if (fs::is_regular_file(folder / lock_name, unknown)) return "";
  std::vector<std::string> found;
  for (fs::directory_iterator it(folder, unknown), end; !unknown && it != end; it.increment(unknown))
    if (const std::string name = it->path().filename().string(); !allowed_before_a_run(name, it->path()))
      found.push_back(name);
  std::sort(found.begin(), found.end());
  if (found.size() > 4) {
    const std::size_t more = found.size() - 3;
    found.resize(3);
    found.push_back(fmt::format("{} more", more));
  }
  return fmt::format("{}", fmt::join(found, ", "));
}

/// The folder itself, after it was created, so that it exists before its lock is opened.
fs::path created(fs::path path) {
  if (const std::string found = foreign_content(path); !found.empty())
    fail(ExitCode::usage,
         "{}: is not empty and no folder of a run ({}); nothing there is touched. Choose another --output",
         path.string(), found);
  std::error_code error;
  fs::create_directories(path / "plots", error);
  if (error)
    fail(ExitCode::io, "{}: the run folder cannot be created: {}; choose another --output", path.string(),
         error.message());
  return path;
}

}  // namespace

RunFolder::RunFolder(fs::path path)
    : path_(created(std::move(path))), lock_(path_ / lock_name, O_RDWR | O_CREAT, ExitCode::io) {
  // flock and not a mere file: the system releases it even after kill -9.
  if (::flock(lock_.descriptor(), LOCK_EX | LOCK_NB) != 0) {
    std::string holder = read_whole_file(lock_.path());
    while (!holder.empty() && holder.back() == '\n') holder.pop_back();
    fail(ExitCode::usage, "{}: process {} is writing this run; wait until it ends or choose another --output",
         path_.string(), holder.empty() ? "(unknown)" : holder);
  }
  if (::ftruncate(lock_.descriptor(), 0) == 0) lock_.write(fmt::format("{}\n", ::getpid()));
}

std::vector<fs::path> RunFolder::earlier_files() const {
  std::vector<fs::path> found;
  std::error_code unknown;
  for (const char* name : files_written)
    if (fs::exists(fs::symlink_status(path_ / name, unknown))) found.push_back(path_ / name);
  for (fs::directory_iterator it(plots(), unknown), end; !unknown && it != end; it.increment(unknown))
    if (it->path().extension() == ".png" || it->path().extension() == ".gp") found.push_back(it->path());
  return found;
}

void RunFolder::clear() const {
  for (const fs::path& file : earlier_files()) {
    std::error_code error;
    fs::remove(file, error);
    if (error)
      fail(ExitCode::io, "{}: cannot be removed: {}; choose another --output", file.string(),
           error.message());
  }
}

void RunFolder::keep_from(const fs::path& folder, const fs::path& input, const std::string& what) {
  for (const char* name : files_written) {
    std::error_code unknown;
    if (fs::equivalent(folder / name, input, unknown))
      fail(
          ExitCode::usage,
          "{}: {} is read, and the run in {} would write a file of this name over it; choose another --output, "
          "or copy it elsewhere first",
          input.string(), what, folder.string());
  }
}

}  // namespace espalier
