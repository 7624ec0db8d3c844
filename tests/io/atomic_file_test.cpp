// A file is replaced whole or not at all, whatever fails while it is written.
#include "framework/io/atomic_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

using espalier::testing::expect_error;

/// Runs `act` in a child process; returns its status as waitpid gives it.
template <class Act>
int in_child(Act act) {
  const pid_t child = ::fork();
  if (child == 0) {
    act();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

std::size_t entries(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

TEST(AtomicFile, ReplacesTheContentsAndLeavesNoTemporaryFile) {
  const testing::TempFolder folder;
  const auto path = folder.path() / "a.txt";
  write_file_atomically(path, "first");
  write_file_atomically(path, "2nd");
  EXPECT_EQ(read_whole_file(path), "2nd");
  EXPECT_EQ(entries(folder.path()), 1U);
}

TEST(AtomicFile, NothingIsVisibleBeforeCommit) {
  const testing::TempFolder folder;
  const auto path = folder.path() / "a.txt";
  write_file_atomically(path, "old");
  {
    AtomicFile file(path);
    file.write("ne");
    EXPECT_EQ(read_whole_file(path), "old");
    file.write("w");
    file.commit();
  }
  EXPECT_EQ(read_whole_file(path), "new");
  {
    AtomicFile abandoned(path);
    abandoned.write("lost");
  }
  EXPECT_EQ(read_whole_file(path), "new");
  EXPECT_EQ(entries(folder.path()), 1U);
}

TEST(AtomicFile, KilledInTheMiddleLeavesTheOldVersionAndTheNextWriteCleansUp) {
  const testing::TempFolder folder;
  const auto path = folder.path() / "a.txt";
  write_file_atomically(path, "old");
  const int status = in_child([&] {
    AtomicFile file(path);
    file.write(std::string(100'000, 'x'));
    ::raise(SIGKILL);
  });
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(read_whole_file(path), "old");
  EXPECT_EQ(entries(folder.path()), 2U) << "the killed process must have left its temporary file";
  write_file_atomically(path, "new");
  EXPECT_EQ(read_whole_file(path), "new");
  EXPECT_EQ(entries(folder.path()), 1U);
}

TEST(AtomicFile, AFullDiskIsAnErrorThatNamesTheFileAndKeepsTheOldVersion) {
  const testing::TempFolder folder;
  const auto path = folder.path() / "checkpoint.safetensors";
  write_file_atomically(path, "old");
  const int status = in_child([&] {
    // The kernel refuses to let files of this process grow beyond 4,096 bytes, as a full disk would.
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    expect_error(ExitCode::io, {path.string(), "File too large", "the previous version is intact"},
                 [&] { write_file_atomically(path, std::string(100'000, 'x')); });
    if (::testing::Test::HasFailure()) ::_exit(1);
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_whole_file(path), "old");
  EXPECT_EQ(entries(folder.path()), 1U) << "the temporary file must be gone";
}

TEST(AtomicFile, WritingToAFullDeviceGivesTheSystemsReason) {
  FileHandle full("/dev/full", O_WRONLY, ExitCode::io);
  expect_error(ExitCode::io, {"/dev/full", "No space left on device"}, [&] { full.write("x"); });
}

TEST(AtomicFile, AMissingDirectoryIsNamedWithWhatToDo) {
  const testing::TempFolder folder;
  expect_error(ExitCode::io,
               {(folder.path() / "no" / "such").string(), "No such file or directory", "create it"},
               [&] { write_file_atomically(folder.path() / "no" / "such" / "a.txt", "x"); });
}

TEST(AtomicFile, AFolderWithoutPermissionIsAnError) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  const testing::TempFolder folder;
  std::filesystem::permissions(folder.path(),
                               std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  expect_error(ExitCode::io, {"a.txt", "Permission denied"},
               [&] { write_file_atomically(folder.path() / "a.txt", "x"); });
  std::filesystem::permissions(folder.path(), std::filesystem::perms::owner_all);
}

TEST(AtomicFile, ADirectoryOrDeviceIsNotReplaced) {
  const testing::TempFolder folder;
  expect_error(ExitCode::io, {folder.path().string(), "no regular file"},
               [&] { write_file_atomically(folder.path(), "x"); });
  expect_error(ExitCode::io, {"/dev/null", "no regular file"},
               [] { write_file_atomically("/dev/null", "x"); });
}

TEST(AtomicFile, ASymbolicLinkIsFollowedAndStays) {
  const testing::TempFolder folder;
  write_file_atomically(folder.path() / "real.txt", "old");
  std::filesystem::create_symlink("real.txt", folder.path() / "link.txt");
  write_file_atomically(folder.path() / "link.txt", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder.path() / "link.txt"));
  EXPECT_EQ(read_whole_file(folder.path() / "real.txt"), "new");
}

TEST(AtomicFile, TwoWritersOfOneFileDoNotMixTheirBytes) {
  const testing::TempFolder folder;
  const auto path = folder.path() / "a.txt";
  AtomicFile first(path);
  first.write("first");
  expect_error(ExitCode::io, {path.string(), "another process is writing it"},
               [&] { AtomicFile second(path); });
  first.commit();
  EXPECT_EQ(read_whole_file(path), "first");
}

TEST(ReadWholeFile, NamesWhatIsMissingWithTheCodeOfTheCaller) {
  const testing::TempFolder folder;
  expect_error(ExitCode::config, {"none.json", "No such file"},
               [&] { read_whole_file(folder.path() / "none.json", ExitCode::config); });
  expect_error(ExitCode::data, {"no regular file"}, [&] { read_whole_file(folder.path(), ExitCode::data); });
}

}  // namespace
}  // namespace espalier
