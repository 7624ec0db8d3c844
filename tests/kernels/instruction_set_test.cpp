// levels_test.cpp: the choice of a instruction set.
#include "framework/kernels/instruction_set.h"

#include <gtest/gtest.h>

#include <string>

namespace espalier::test {
namespace {

TEST(InstructionSets, EveryMachineHasTheBaseline) {
  ASSERT_NE(kernels::find_instruction_set("baseline"), nullptr);
  EXPECT_EQ(std::string(kernels::find_instruction_set("baseline")->name), "baseline");
}

TEST(InstructionSets, UnknownNamesAreNotFound) {
  EXPECT_EQ(kernels::find_instruction_set("avx1024"), nullptr);
}

#if defined(__x86_64__)
TEST(InstructionSets, FollowTheCpu) {
  EXPECT_EQ(kernels::find_instruction_set("avx2") != nullptr,
            __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0);
  if (!__builtin_cpu_supports("avx512f")) {
    EXPECT_EQ(kernels::find_instruction_set("avx512"), nullptr);
  }
}
#endif

// A wider one that had the vectors of a narrower one would pass every comparison and lose the speed.
TEST(InstructionSets, WiderLevelsHaveMoreLanes) {
  const Index baseline = kernels::find_instruction_set("baseline")->lanes;
  EXPECT_EQ(baseline * static_cast<Index>(sizeof(Real)), 16);
  const kernels::InstructionSet *avx2 = kernels::find_instruction_set("avx2"),
                                *avx512 = kernels::find_instruction_set("avx512");
  EXPECT_EQ(avx2 ? avx2->lanes : 2 * baseline, 2 * baseline);
  EXPECT_EQ(avx512 ? avx512->lanes : 4 * baseline, 4 * baseline);
}

TEST(InstructionSets, SetLevelIsWhatRuns) {
  const kernels::InstructionSet& usual = kernels::instruction_set();
  kernels::use_instruction_set(*kernels::find_instruction_set("baseline"));
  EXPECT_EQ(&kernels::instruction_set(), kernels::find_instruction_set("baseline"));
  kernels::use_instruction_set(usual);
}

}  // namespace
}  // namespace espalier::test
