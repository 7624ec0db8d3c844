// index_file.h: lists of example numbers in JSON files, as prune.index_file and curvature.index_file name them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "framework/core/real.h"

namespace espalier {

/// [3, 1, ...] or {"indices": [3, 1, ...]}: whole numbers from 0, each once, at least one. Throws Error(data)
/// naming file, place and value; `setting` is what named the file.
std::vector<Index> read_index_file(const std::filesystem::path& path, const std::string& setting);

}  // namespace espalier
