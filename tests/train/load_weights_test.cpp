// A file's tensors into a network that is not quite theirs: all, or as many as fit, and the rest listed.
#include <gtest/gtest.h>

#include "framework/graph/head.h"
#include "framework/train/checkpoint.h"
#include "tests/support/expect_error.h"
#include "tests/support/small_network.h"

namespace espalier {
namespace {

using testing::expect_error;

std::vector<Real> values_of(const Model& model, const std::string& parameter) {
  for (const ParameterInfo& p : model.store().infos())
    if (p.name == parameter) {
      const auto own = model.store().values().subspan(p.range.begin, p.range.size());
      return {own.begin(), own.end()};
    }
  return {};
}

struct LoadWeights : ::testing::Test {
  SmallNetwork from, to;
  LoadWeights() {
    for (Real& v : from.model->store().values()) v = Real(0.25);
    for (Real& v : to.model->store().values()) v = Real(0.5);
    file = checkpoint_of(*from.model);
  }
  NamedWeights& tensor(const std::string& name) { return const_cast<NamedWeights&>(*file.find(name)); }
  Real first(const std::string& parameter) { return values_of(*to.model, parameter).at(0); }
  WeightsFile file;
};

TEST_F(LoadWeights, AMismatchListsEverythingAtOnceAndSuggestsRenames) {
  tensor("conv.weight").name = "stem.weight";
  tensor("conv.bias").name = "stem.bias";
  tensor("fc.weight").shape = {8, 4};
  tensor("fc.weight").values.resize(32);
  expect_error(ExitCode::checkpoint,
               {"x.pth", "missing (shapes on disk, OIHW):", "conv.weight {5,2,3,3}",
                "of another shape:", "fc.weight: {8,4}", "not in the model:", "stem.bias {5}", "--map",
                "stem.* conv.*", "\"partial\": true"},
               [&] { load_weights(file, "x.pth", *to.model); });
  EXPECT_EQ(first("conv2.weight"), Real(0.5)) << "nothing is loaded of a file that does not match";
}

TEST_F(LoadWeights, PartOfAFileStartsTheLayersThatDoNotFitFresh) {
  std::erase_if(file.tensors, [](const NamedWeights& t) { return t.name == "conv2.bias"; });
  tensor("fc2.weight").shape = {3, 4};
  tensor("fc2.weight").values.resize(12);
  file.tensors.push_back({"aux.weight", {2}, {1, 2}, {}});
  const std::vector<std::string> notices = load_weights(file, "x.pth", *to.model, {.partial = true});
  EXPECT_EQ(first("conv.weight"), Real(0.25));
  EXPECT_EQ(first("conv2.weight"), Real(0.5)) << "a layer is loaded as a whole or not at all";
  EXPECT_EQ(first("fc2.weight"), Real(0.5));
  EXPECT_EQ(first("fc2.bias"), Real(0.5));
  ASSERT_EQ(notices.size(), 2U);
  for (const char* part :
       {"2 layers start fresh", "conv2 (conv2.bias {4} is missing)", "fc2 (fc2.weight: {3,4} in the file"})
    EXPECT_NE(notices[0].find(part), std::string::npos) << notices[0];
  EXPECT_NE(notices[1].find("not used: aux.weight"), std::string::npos) << notices[1];
}

TEST_F(LoadWeights, AFileOfWhichNothingFitsIsNoPartOfTheNetwork) {
  for (NamedWeights& t : file.tensors) t.name = "other." + t.name;
  expect_error(ExitCode::checkpoint, {"none of its", "other.* *"},
               [&] { load_weights(file, "x.pth", *to.model, {.partial = true}); });
}

TEST_F(LoadWeights, ANewClassifierStaysFreshWhateverTheFileHasForIt) {
  tensor("fc2.weight").shape = {10, 8};
  tensor("fc2.weight").values.resize(80);
  const std::vector<std::string> notices =
      load_weights(file, "x.pth", *to.model, {.partial = false, .fresh = head_parameters(to.model->graph())});
  EXPECT_TRUE(notices.empty());
  EXPECT_EQ(first("fc.weight"), Real(0.25));
  EXPECT_EQ(first("fc2.weight"), Real(0.5));
}

}  // namespace
}  // namespace espalier
