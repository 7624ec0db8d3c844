// replay.h: a slice of a recorded experiment run anew, and held against what was recorded.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "framework/io/atomic_file.h"
#include "framework/io/metrics.h"
#include "paths.h"
#include "tests/support/data_sets.h"
#include "tests/support/temp_folder.h"

namespace espalier::testing {

/// Columns that two runs of one config share on any machine, and by how much they may differ. One CPU rounds
/// otherwise than another, so three test images in 1,000 may change sides; on the recording machine nothing
/// differs (tests/long: the same bits on any number of threads).
inline double allowed_difference(const std::string& column, double recorded) {
  if (column == "test_accuracy") return 0.003;
  if (column.ends_with("_loss_change") || column.starts_with("cosine.") ||
      column.starts_with("rank_correlation."))
    return 0.002 + 0.02 * std::abs(recorded);
  return column == "sparsity" ? 1e-4 : -1;
}

/// Runs those of configs/reproduce/`experiment` whose name contains `only` and compares every result with
/// the recorded one. Skips where the data are not at hand.
inline void replay(const std::string& experiment, const std::string& only, double slack = 1) {
  namespace fs = std::filesystem;
  const fs::path data = folder_from_environment("ESPALIER_DATA"),
                 shared = folder_from_environment("ESPALIER_SHARED");
  if (data.empty() || shared.empty()) GTEST_SKIP() << "set ESPALIER_DATA and ESPALIER_SHARED";
  const fs::path recorded = fs::path(ESPALIER_SOURCE_DIR "/tools/experiments/recorded") / experiment / "results.jsonl";
  const TempFolder temp;
  // One folder with all data, as users have it.
  fs::create_directories(temp / "data");
  for (const fs::path& from : {data / "mnist", data / "cifar-10-batches-bin",
                               shared / "data/cifar10-original-subset", shared / "data/checkpoints"})
    if (fs::exists(from)) fs::create_directory_symlink(fs::absolute(from), temp / "data" / from.filename());
  const std::string command = std::string("cd ") + ESPALIER_SOURCE_DIR + " && " + ESPALIER_CLI +
                              " reproduce " + experiment + " --quiet --only '" + only + "' --data " +
                              (temp / "data").string() + " --output " + (temp / "runs").string() + " > " +
                              (temp / "log").string() + " 2>&1";
  ASSERT_EQ(std::system(command.c_str()), 0) << read_whole_file(temp / "log");
  const auto before = read_metrics(recorded.string());
  int compared = 0;
  for (const MetricsRow& now : read_metrics((temp / "runs/metrics.jsonl").string()))
    for (const MetricsRow& then : before) {
      bool same = true;
      for (const char* key : {"run", "method", "value"}) same = same && text(now, key) == text(then, key);
      if (!same) continue;
      for (const auto& [column, value] : then) {
        const double recorded_value = number(then, column);
        const double allowed = slack * allowed_difference(column, recorded_value);
        if (allowed < 0 || !std::isfinite(recorded_value)) continue;
        EXPECT_NEAR(number(now, column), recorded_value, allowed)
            << text(now, "run") << ", " << text(now, "value") << ": " << column;
        ++compared;
      }
    }
  EXPECT_GT(compared, 0) << "nothing of \"" << only << "\" is recorded in " << recorded;
}

}  // namespace espalier::testing
