// The recorded experiments that take minutes: a network is trained again from scratch, pruned, and held
// against the committed accuracies; or pruned in many sub-steps. Thousands of steps let another CPU's
// rounding grow, so up to ten times the difference of one-shot pruning is allowed; on the recording machine
// there is none at all.
#include "tests/support/replay.h"

namespace espalier {
namespace {

using testing::replay;

TEST(LongReplay, CifarNetPrunedAfterTraining) {
  replay("cifarnet_gradual", "after, WoodTaylor, final_sparsity 0.9, seed 1", 10);
}

TEST(LongReplay, ResNetTrainedAndPrunedGradually) {
  replay("resnet20_gradual", "pruned, magnitude, global, final_sparsity 0.98, seed 1", 10);
}

TEST(LongReplay, ResNetInSubStepsWithTheGradient) {
  replay("resnet20_cifar10", "candidates, WoodTaylor blocks of 1000, 1,000 rows of 4 examples, seed 1", 3);
}

}  // namespace
}  // namespace espalier
