// One folder, one run, one process.
#include "framework/io/run_folder.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

using espalier::testing::expect_error;
using espalier::testing::TempFolder;

TEST(RunFolder, IsCreatedWithItsParentsAndNamesItsFiles) {
  const TempFolder temp;
  const RunFolder run(temp.path() / "runs" / "a");
  EXPECT_TRUE(std::filesystem::is_directory(run.plots()));
  EXPECT_EQ(run.config(), temp.path() / "runs" / "a" / "config.json");
  EXPECT_EQ(run.checkpoint().filename(), "checkpoint.safetensors");
  EXPECT_EQ(run.state().filename(), "state.safetensors");
}

TEST(RunFolder, ASecondProcessIsKeptOutAndToldByWhom) {
  const TempFolder temp;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t holder = ::fork();
  if (holder == 0) {
    const RunFolder run(temp.path());
    [[maybe_unused]] const auto written = ::write(ready[1], "x", 1);
    ::pause();
    ::_exit(0);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  expect_error(ExitCode::usage, {temp.str(), "process " + std::to_string(holder)},
               [&] { RunFolder second(temp.path()); });
  ::kill(holder, SIGKILL);
  ::waitpid(holder, nullptr, 0);
  EXPECT_NO_THROW(RunFolder(temp.path())) << "a killed process must not leave the folder locked";
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(RunFolder, CanBeOpenedAgainAfterItWasClosed) {
  const TempFolder temp;
  { const RunFolder first(temp.path()); }
  const RunFolder second(temp.path());
  expect_error(ExitCode::usage, {"process " + std::to_string(::getpid())},
               [&] { RunFolder third(temp.path()); });
}

TEST(RunFolder, APlaceWhereNothingCanBeCreatedIsAnError) {
  const TempFolder temp;
  temp.write_text("file", "");
  expect_error(ExitCode::io, {temp.str() + "/file/run", "--output"},
               [&] { RunFolder run(temp.path() / "file" / "run"); });
}

}  // namespace
}  // namespace espalier
