// The recorded experiments that train first: a network is trained again from scratch, pruned, and held
// against the committed accuracies. Training for thousands of steps lets another CPU's rounding grow, so ten
// times the difference of one-shot pruning is allowed; on the recording machine there is none.
#include "tests/support/replay.h"

namespace espalier {
namespace {

using testing::replay;

TEST(LongReplay, CifarNetPrunedAfterTraining) {
  replay("cifarnet_gradual", "after, WoodTaylor, final_sparsity 0.9, seed 1", 10);
}

}  // namespace
}  // namespace espalier
