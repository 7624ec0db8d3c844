// levels_test.cpp: the choice of a CPU level.
#include "framework/kernels/levels.h"

#include <gtest/gtest.h>

#include <string>

namespace espalier::test {
namespace {

TEST(Levels, EveryMachineHasTheBaseline) {
  ASSERT_NE(kernels::find_level("baseline"), nullptr);
  EXPECT_EQ(std::string(kernels::find_level("baseline")->name), "baseline");
}

TEST(Levels, UnknownNamesAreNotFound) { EXPECT_EQ(kernels::find_level("avx1024"), nullptr); }

#if defined(__x86_64__)
TEST(Levels, FollowTheCpu) {
  EXPECT_EQ(kernels::find_level("avx2") != nullptr,
            __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0);
  if (!__builtin_cpu_supports("avx512f")) {
    EXPECT_EQ(kernels::find_level("avx512"), nullptr);
  }
}
#endif

// A wider level that had the vectors of a narrower one would pass every comparison and lose the speed.
TEST(Levels, WiderLevelsHaveMoreLanes) {
  const Index baseline = kernels::find_level("baseline")->lanes;
  EXPECT_EQ(baseline * static_cast<Index>(sizeof(Real)), 16);
  const kernels::Level *avx2 = kernels::find_level("avx2"), *avx512 = kernels::find_level("avx512");
  EXPECT_EQ(avx2 ? avx2->lanes : 2 * baseline, 2 * baseline);
  EXPECT_EQ(avx512 ? avx512->lanes : 4 * baseline, 4 * baseline);
}

TEST(Levels, SetLevelIsWhatRuns) {
  const kernels::Level& usual = kernels::level();
  kernels::set_level(*kernels::find_level("baseline"));
  EXPECT_EQ(&kernels::level(), kernels::find_level("baseline"));
  kernels::set_level(usual);
}

}  // namespace
}  // namespace espalier::test
