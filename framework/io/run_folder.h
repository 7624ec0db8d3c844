// run_folder.h: the folder of one run, the names in it, and the lock that keeps a second process out. A run
// writes only into a folder that is empty or its own: what others put there is never touched.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "framework/io/atomic_file.h"

namespace espalier {

class RunFolder {
 public:
  /// Creates the folder (with parents) and its plots/, and locks it until destruction. Throws Error(usage)
  /// naming the process that holds the lock, or what lies there if the folder is neither empty nor one that a
  /// run has made; Error(io) if it cannot be created.
  explicit RunFolder(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config() const { return path_ / "config.json"; }
  std::filesystem::path metrics_jsonl() const { return path_ / "metrics.jsonl"; }
  std::filesystem::path metrics_csv() const { return path_ / "metrics.csv"; }
  std::filesystem::path checkpoint() const { return path_ / "checkpoint.safetensors"; }
  std::filesystem::path best() const { return path_ / "best.safetensors"; }
  std::filesystem::path dense() const { return path_ / "dense.safetensors"; }
  std::filesystem::path state() const { return path_ / "state.safetensors"; }
  std::filesystem::path lesson_data() const { return path_ / "tour.json"; }
  std::filesystem::path evaluation() const { return path_ / "evaluation.json"; }
  std::filesystem::path plots() const { return path_ / "plots"; }

  /// Files of an earlier run that lie here, as far as this one would write or read the same names.
  std::vector<std::filesystem::path> earlier_files() const;
  /// Removes them, the state first: a folder holds files of one run only. Throws Error(io).
  void clear() const;

  /// Throws Error(usage) if `input`, which `what` names, is a file in `folder` that a run there would write.
  static void keep_from(const std::filesystem::path& folder, const std::filesystem::path& input,
                        const std::string& what);

 private:
  std::filesystem::path path_;
  FileHandle lock_;
};

}  // namespace espalier
