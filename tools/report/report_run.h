// report_run.h: a run folder as the data of a page; tools/report/README.md describes the members.
#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>

namespace espalier {

/// Everything of the folder that a page shows, rows in at most a third of `budget` bytes, filters in half of
/// them, the tour in all. Files that are missing, cut off or no JSON become texts in "notices"; what can be
/// read is kept. A curvature study in the folder comes with it (its rows; its tour where the run has none).
/// Throws Error(usage) if `folder` is no folder, or has none of the files of a run.
nlohmann::ordered_json read_run(const std::filesystem::path& folder, std::size_t budget);

}  // namespace espalier
