// run_folder.h: the folder of one run, the names in it, and the lock that keeps a second process out.
#pragma once

#include <filesystem>

#include "framework/io/atomic_file.h"

namespace espalier {

class RunFolder {
 public:
  /// Creates the folder (with parents) and its plots/, and locks it until destruction. Throws Error(usage)
  /// naming the process that holds the lock, Error(io) if it cannot be created.
  explicit RunFolder(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config() const { return path_ / "config.json"; }
  std::filesystem::path metrics_jsonl() const { return path_ / "metrics.jsonl"; }
  std::filesystem::path metrics_csv() const { return path_ / "metrics.csv"; }
  std::filesystem::path checkpoint() const { return path_ / "checkpoint.safetensors"; }
  std::filesystem::path state() const { return path_ / "state.safetensors"; }
  std::filesystem::path lesson_data() const { return path_ / "tour.json"; }
  std::filesystem::path plots() const { return path_ / "plots"; }

 private:
  std::filesystem::path path_;
  FileHandle lock_;
};

}  // namespace espalier
