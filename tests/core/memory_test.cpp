// Available memory, on this machine and on machines that exist only as files.
#include "framework/core/memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

using espalier::testing::TempFolder;

constexpr std::uint64_t mib = 1024 * 1024;

/// A machine with 8,000 MiB available and these control groups.
struct Machine {
  TempFolder root;
  explicit Machine(const std::string& cgroup) {
    root.write_text(
        "proc/meminfo",
        "MemTotal:       16384000 kB\nMemFree:         1024000 kB\nMemAvailable:    8192000 kB\n");
    root.write_text("proc/self/cgroup", cgroup);
  }
};

TEST(AvailableMemory, OfThisMachineIsPlausible) {
  EXPECT_GT(available_memory(), 1 * mib);
  EXPECT_LT(available_memory(), std::uint64_t{1} << 50);
}

TEST(AvailableMemory, WithoutLimitsItIsThatOfTheSystem) {
  EXPECT_EQ(available_memory(Machine("").root.path()), 8000 * mib);
  Machine m("0::/user\n");
  m.root.write_text("sys/fs/cgroup/user/memory.max", "max\n");
  m.root.write_text("sys/fs/cgroup/user/memory.current", "1048576\n");
  EXPECT_EQ(available_memory(m.root.path()), 8000 * mib);
}

TEST(AvailableMemory, VersionTwoCountsTheTightestOfAllParentsAndReclaimableCache) {
  Machine m("0::/a/b\n");
  m.root.write_text("sys/fs/cgroup/a/b/memory.max", std::to_string(4000 * mib));
  m.root.write_text("sys/fs/cgroup/a/b/memory.current", std::to_string(1000 * mib));
  m.root.write_text("sys/fs/cgroup/a/b/memory.stat",
                    "anon 1\ninactive_file " + std::to_string(300 * mib) + "\n");
  EXPECT_EQ(available_memory(m.root.path()), 3300 * mib);
  m.root.write_text("sys/fs/cgroup/a/memory.max", std::to_string(2000 * mib));
  m.root.write_text("sys/fs/cgroup/a/memory.current", std::to_string(1500 * mib));
  EXPECT_EQ(available_memory(m.root.path()), 500 * mib);
}

TEST(AvailableMemory, VersionOneInAContainerWhereThePathIsThatOfTheHost) {
  Machine m("12:cpu,cpuacct:/docker/x\n7:memory:/docker/x\n");
  m.root.write_text("sys/fs/cgroup/memory/memory.limit_in_bytes", std::to_string(2000 * mib));
  m.root.write_text("sys/fs/cgroup/memory/memory.usage_in_bytes", std::to_string(500 * mib));
  EXPECT_EQ(available_memory(m.root.path()), 1500 * mib);
}

TEST(AvailableMemory, ALimitThatIsPassedLeavesNothing) {
  Machine m("0::/\n");
  m.root.write_text("sys/fs/cgroup/memory.max", "1000");
  m.root.write_text("sys/fs/cgroup/memory.current", "2000");
  EXPECT_EQ(available_memory(m.root.path()), 0U);
}

TEST(AvailableMemory, ALimitOfTheAddressSpaceCountsWhatIsMappedAlready) {
  Machine m("");
  m.root.write_text("proc/self/status", "Name:\tx\nVmSize:\t  102400 kB\n");
  m.root.write_text("proc/self/limits",
                    "Limit                     Soft Limit           Hard Limit           Units\n"
                    "Max address space         1048576000           unlimited            bytes\n");
  EXPECT_EQ(available_address_space(m.root.path()), 900 * mib);
  EXPECT_EQ(available_memory(m.root.path()), 900 * mib);
  m.root.write_text("proc/self/limits",
                    "Max address space         unlimited            unlimited            bytes\n");
  EXPECT_EQ(available_memory(m.root.path()), 8000 * mib);
}

TEST(AvailableMemory, MoreThanThereIsIsRefusedByName) {
  require_memory(1e6, "a megabyte");
  espalier::testing::expect_error(ExitCode::memory, {"the universe: 1e+20 GB are needed", "available"},
                                  [] { require_memory(1e29, "the universe"); });
}

TEST(PeakMemory, GrowsWithWhatIsTouched) {
  const std::uint64_t before = peak_resident_memory();
  EXPECT_GT(before, 0U);
  std::vector<char> touched(64 * mib);
  std::memset(touched.data(), 1, touched.size());
  EXPECT_GE(peak_resident_memory(), before + 32 * mib) << touched[12345];
}

}  // namespace
}  // namespace espalier
