// A slice of every recorded experiment (configs/reproduce) run anew on the real data: the committed numbers
// are those of the program as it is. Slices of minutes are in tests/long.
#include "tests/support/replay.h"

namespace espalier {
namespace {

using testing::replay;

TEST(Replay, MlpNetOneShot) { replay("mlpnet_mnist", "one_shot, WoodFisher, one block a layer, seed 1"); }

TEST(Replay, MlpNetToTheDigit) { replay("mlpnet_mnist", "to_the_digit, WoodFisher"); }

TEST(Replay, MlpNetTwoEpochs) {
  replay("mlpnet_two_epochs", "one_shot, WoodTaylor, step_damp 0.01, held out, seed 1");
}

TEST(Replay, ResNetOneShot) { replay("resnet20_cifar10", "rows, 100 rows, seed 1"); }

TEST(Replay, LimitedData) { replay("limited_data", "resnet20, K-FAC, 50 images, seed 1"); }

TEST(Replay, HessianAgainstFisher) { replay("hessian_fisher", "mlpnet, seed 1"); }

TEST(Replay, Ablations) { replay("ablations", "recomputations, 5 sub-steps, final_sparsity 0.9, seed 1"); }

}  // namespace
}  // namespace espalier
