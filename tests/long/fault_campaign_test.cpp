// The whole campaign of tests/faults/campaign.h: every write, many allocations, hundreds of kills.
#include "framework/core/random.h"
#include "tests/faults/campaign.h"

namespace espalier {
namespace {

using testing::Campaign;

class FaultCampaign : public ::testing::TestWithParam<const char*> {};

TEST_P(FaultCampaign, DiskFullAtEveryWrite) {
  ESPALIER_NEEDS_A_PLAIN_BUILD();
  Campaign c;
  const long writes = c.count(GetParam()).first;
  for (long at = 1; at <= writes; ++at) c.full_disk(GetParam(), at);
}

TEST_P(FaultCampaign, NoMemoryAtTwoHundredAllocations) {
  ESPALIER_NEEDS_A_PLAIN_BUILD();
  Campaign c;
  const auto allocations = static_cast<std::uint64_t>(c.count(GetParam()).second);
  Random random(3, Random::Use::test);
  for (int i = 0; i < 200; ++i) c.no_memory(GetParam(), 1 + static_cast<long>(random.below(allocations)));
}

TEST_P(FaultCampaign, KilledAtFiftyMoments) {
  Campaign c;
  const auto started = std::chrono::steady_clock::now();
  (void)c.expected(GetParam());
  const auto whole =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - started);
  Random random(4, Random::Use::test);
  const int signals[] = {SIGKILL, SIGKILL, SIGTERM, SIGINT};
  for (int i = 0; i < 50; ++i)
    c.kill_at(GetParam(), signals[i % 4],
              std::chrono::microseconds(random.below(static_cast<std::uint64_t>(whole.count()) * 11 / 10)));
}

TEST_P(FaultCampaign, NineRacesIntoOneFolder) {
  Campaign c;
  for (int i = 0; i < 9; ++i) c.race(GetParam());
}

INSTANTIATE_TEST_SUITE_P(Long, FaultCampaign, ::testing::Values("train", "prune", "sweep", "curvature"),
                         [](const auto& verb) { return std::string(verb.param); });

}  // namespace
}  // namespace espalier
