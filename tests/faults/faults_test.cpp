// A sample of what can happen to a program, a few seconds of it; tests/long has all (ctest -L long).
#include <poll.h>

#include <atomic>
#include <csignal>

#include "framework/core/interrupt.h"
#include "framework/core/parallel.h"
#include "framework/core/random.h"
#include "tests/faults/campaign.h"
#include "tests/support/expect_error.h"

namespace espalier {
namespace {

using testing::Campaign;
using testing::Outcome;
using testing::slurp;

TEST(Faults, AFullDiskIsAnErrorWhereverItStrikes) {
  ESPALIER_NEEDS_A_PLAIN_BUILD();
  Campaign c;
  const long writes = c.count("prune").first;
  ASSERT_GT(writes, 20);
  for (long at = 1; at <= writes; at += 1 + writes / 12) c.full_disk("prune", at);
  for (const char* verb : {"train", "sweep", "curvature"}) c.full_disk(verb, c.count(verb).first / 2);
}

TEST(Faults, NoMemoryIsAnErrorWhereverItStrikes) {
  ESPALIER_NEEDS_A_PLAIN_BUILD();
  Campaign c;
  const long allocations = c.count("prune").second;
  ASSERT_GT(allocations, 1000);
  Random random(1, Random::Use::test);
  for (int i = 0; i < 10; ++i)
    c.no_memory("prune", 1 + static_cast<long>(random.below(static_cast<std::uint64_t>(allocations))));
}

TEST(Faults, KilledAtAnyMomentARunIsResumedToTheSameBits) {
  Campaign c;
  Random random(2, Random::Use::test);
  for (int i = 0; i < 6; ++i)
    c.kill_at("prune", i % 2 ? SIGKILL : SIGTERM, std::chrono::microseconds(5'000 + random.below(150'000)));
  c.kill_at("sweep", SIGKILL, std::chrono::milliseconds(60));
  c.kill_at("curvature", SIGINT, std::chrono::milliseconds(60));
}

TEST(Faults, TwoRunsIntoOneFolderDoNotMix) {
  Campaign c;
  c.race("prune");
}

TEST(Faults, ASignalInTheFirstMomentsEndsWith130) {
  Campaign c;
  const pid_t child = c.program.start(
      {"train", "run.json", "--quiet", "--output", "a", "--set", "data.source.train=3000000"});
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  ::kill(child, SIGTERM);
  EXPECT_EQ(c.program.finish(child).code, 130);
}

TEST(Faults, ASecondSignalEndsWhatDoesNotHeedTheFirst) {
  const pid_t child = ::fork();
  if (child == 0) {
    stop_gently_on_signals();
    ::raise(SIGTERM);
    ::raise(SIGTERM);
    for (;;) ::poll(nullptr, 0, 1000);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 130);
}

TEST(Faults, EveryLoopHeedsAStopWithinARegionAndNoneOutside) {
  std::atomic<int> chunks{0};
  const auto loop = [&] { parallel_for(1000, 1, [&](Range) { ++chunks; }); };
  request_stop();
  loop();
  EXPECT_EQ(chunks, 1000) << "outside, work is finished";
  {
    const StopAnywhere region("given up");
    testing::expect_error(ExitCode::interrupted, {"given up"}, loop);
  }
  EXPECT_FALSE(stop_pending());
  EXPECT_LT(chunks, 2000);
}

TEST(Faults, AFileSizeLimitIsAFullDiskAndNoDeadlySignal) {
  Campaign c;
  const Outcome o = c.run("prune", "limited", false, {.file_size = 4096});
  EXPECT_EQ(o.code, 8) << o.output;
  c.expect_resumable("prune", "limited", "a file size limit");
  // Pictures and the page too, although the run itself is complete.
  ASSERT_EQ(c.run("prune", "done", false).code, 0);
  const Outcome pictures = c.run("prune", "done", true, {.file_size = 2000});
  EXPECT_EQ(pictures.code, 8) << pictures.output;
  for (const auto& entry : std::filesystem::directory_iterator(c.folder / "done/plots"))
    EXPECT_TRUE(entry.path().extension() != ".png" || slurp(entry.path()).ends_with("IEND\xae\x42\x60\x82"))
        << entry.path();
}

TEST(Faults, AClosedPipeIsNoReasonToStop) {
  Campaign c;
  const std::string command =
      "cd " + c.folder.str() + " && bash -c '" + ESPALIER_CLI +
      " prune run.json --no-report --output piped 2>&1 | true; exit ${PIPESTATUS[0]}'";
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 0);
  EXPECT_TRUE(c.result("prune", "piped") == c.expected("prune"));
  const std::string schema =
      std::string("bash -c '") + ESPALIER_CLI + " schema | true; exit ${PIPESTATUS[0]}'";
  EXPECT_EQ(WEXITSTATUS(std::system(schema.c_str())), 0);
}

TEST(Faults, AnAddressSpaceWithoutRoomForTheBuffersOfProductsIsAnErrorAndNoEndlessLoop) {
  ESPALIER_NEEDS_A_PLAIN_BUILD();
  Campaign c;
  for (const rlim_t mib : {200, 280, 330, 360, 400, 450, 520}) {
    const pid_t child = c.program.start(c.arguments("prune", "narrow", true), {.address_space = mib << 20});
    std::atomic<bool> ended{false};
    std::thread watch([&] {
      for (int i = 0; i < 600 && !ended; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(100));
      if (!ended) ::kill(child, SIGKILL);
    });
    const Outcome o = c.program.finish(child);
    ended = true;
    watch.join();
    EXPECT_TRUE(o.code == 7 || o.code == 0) << mib << " MiB: " << o.code << "\n" << o.output;
  }
  c.expect_resumable("prune", "narrow", "little address space");
}

}  // namespace
}  // namespace espalier
