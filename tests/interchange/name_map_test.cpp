// Other people's names become ours by a file of lines, and a mismatch says which lines might do.
#include "framework/interchange/name_map.h"

#include <gtest/gtest.h>

#include "tests/support/expect_error.h"

namespace espalier {
namespace {

using testing::expect_error;

WeightsFile file_of(const std::vector<std::string>& names) {
  WeightsFile file;
  for (const std::string& name : names) file.tensors.push_back({name, {1}, {0}, {}});
  return file;
}
std::vector<std::string> names_of(const WeightsFile& file) {
  std::vector<std::string> names;
  for (const NamedWeights& t : file.tensors) names.push_back(t.name);
  return names;
}

TEST(NameMap, RenamesByLinesOrJsonAndTheFirstThatFitsCounts) {
  const std::string lines = R"(# of somebody's checkpoint
backbone.head.* fc.*      # before the next line, which would take it
backbone.* *

aux.weight -
)";
  const std::string json = R"({"backbone.head.*": "fc.*", "backbone.*": "*", "aux.weight": null})";
  for (const std::string& text : {lines, json}) {
    WeightsFile file = file_of({"backbone.conv1.weight", "backbone.head.bias", "aux.weight", "other"});
    NameMap::parse(text, "map.txt").apply(file, "x.pth");
    EXPECT_EQ(names_of(file), (std::vector<std::string>{"conv1.weight", "fc.bias", "other"}));
  }
}

TEST(NameMap, TheInverseGivesTheirNamesBack) {
  const NameMap map = NameMap::parse("net.* *\nhead.w fc.weight\naux.* -\n", "map.txt");
  WeightsFile file = file_of({"fc.weight", "conv.bias"});
  map.inverse().apply(file, "the network");
  EXPECT_EQ(names_of(file), (std::vector<std::string>{"head.w", "net.conv.bias"}))
      << "the line for one name alone goes first, although * would fit it";
  EXPECT_EQ(map.inverse().rules().size(), 2U) << "what was left out is not there to come back";
}

TEST(NameMap, EveryFaultNamesFileAndLine) {
  const auto parse = [](const char* text) { return [text] { NameMap::parse(text, "map.txt"); }; };
  expect_error(ExitCode::config, {"map.txt: line 2", "3 names"}, parse("a b\na b c\n"));
  expect_error(ExitCode::config, {"map.txt: line 1", "*"}, parse("a.* b\n"));
  expect_error(ExitCode::config, {"map.txt: line 1", "*"}, parse("a.*.* b.*.*\n"));
  expect_error(ExitCode::config, {"map.txt: line 2", "renamed in line 1"}, parse("a b\na c\n"));
  expect_error(ExitCode::config, {"map.txt", "\"a\" is 3"}, parse(R"({"a": 3})"));
  expect_error(ExitCode::config, {"map.txt", "JSON"}, parse(R"({"a": )"));
  expect_error(ExitCode::config, {"/no/such"}, [] { NameMap::read("/no/such"); });
  const auto apply = [](const char* text) {
    return [text] {
      WeightsFile file = file_of({"conv.weight", "conv.bias"});
      NameMap::parse(text, "map.txt").apply(file, "x.pth");
    };
  };
  expect_error(ExitCode::config, {"map.txt: line 1", "x.pth", "conv.weigth", "did you mean \"conv.weight\""},
               apply("conv.weigth w\n"));
  expect_error(ExitCode::config, {"map.txt", "'conv.weight' and 'conv.bias'", "'conv.bias'"},
               apply("conv.weight conv.bias\n"));
}

TEST(NameMap, SuggestionsGoByShapeKindAndNameAndShareWhatBeginsAlike) {
  // A prefix of all: one line.
  EXPECT_EQ(suggest_renames(
                {{"conv1.weight", {8, 3, 3, 3}}, {"fc.weight", {10, 8}}, {"fc.bias", {10}}},
                {{"net.conv1.weight", {8, 3, 3, 3}}, {"net.fc.weight", {10, 8}}, {"net.fc.bias", {10}}}),
            (std::vector<std::string>{"net.* *"}));
  // Names that have nothing in common, of layers of one shape: in order. Statistics only become statistics.
  EXPECT_EQ(suggest_renames({{"stem.weight", {4}}, {"stem.running_mean", {4}}, {"body.weight", {4}}},
                            {{"q0.weight", {4}}, {"q0.running_mean", {4}}, {"q1.weight", {4}}}),
            (std::vector<std::string>{"q0.* stem.*", "q1.weight body.weight"}));
  // The same shape in another order: by name.
  EXPECT_EQ(suggest_renames({{"left.weight", {4, 4}}, {"right.weight", {4, 4}}},
                            {{"right_.weight", {4, 4}}, {"left_.weight", {4, 4}}}),
            (std::vector<std::string>{"left_.weight left.weight", "right_.weight right.weight"}));
  // A * that would take what is right already is not suggested.
  EXPECT_EQ(suggest_renames({{"fc.weight", {4, 4}}, {"fc.bias", {4}}},
                            {{"f.weight", {4, 4}}, {"f.bias", {4}}}, {"f.other"}),
            (std::vector<std::string>{"f.weight fc.weight", "f.bias fc.bias"}));
  EXPECT_TRUE(suggest_renames({{"a.weight", {2}}}, {{"b.weight", {3}}}).empty());
}

}  // namespace
}  // namespace espalier
