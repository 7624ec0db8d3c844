// check_test.cpp: errors carry an exit code and a message that is formatted only when needed.
#include "framework/core/check.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/expect_error.h"

namespace espalier::test {
namespace {

TEST(Check, FailCarriesCodeAndMessage) {
  espalier::testing::expect_error(ExitCode::data, {"train.bin: 12 bytes"},
                                  [] { fail(ExitCode::data, "{}: {} bytes", "train.bin", 12); });
}

TEST(Check, RequireThrowsOnlyWhenFalse) {
  EXPECT_NO_THROW(require(true, "never {}", "formatted"));
  espalier::testing::expect_error(ExitCode::internal, {"value 3"}, [] { require(false, "value {}", 3); });
}

TEST(Check, ExitCodesAreDistinct) {
  const std::set<int> codes{static_cast<int>(ExitCode::ok),         static_cast<int>(ExitCode::internal),
                            static_cast<int>(ExitCode::usage),      static_cast<int>(ExitCode::config),
                            static_cast<int>(ExitCode::data),       static_cast<int>(ExitCode::checkpoint),
                            static_cast<int>(ExitCode::numeric),    static_cast<int>(ExitCode::memory),
                            static_cast<int>(ExitCode::io),         static_cast<int>(ExitCode::pruning),
                            static_cast<int>(ExitCode::interrupted)};
  EXPECT_EQ(codes.size(), 11U);
}

}  // namespace
}  // namespace espalier::test
