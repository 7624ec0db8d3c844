// Configs that build on others, and paths that lie beside the file that names them. A message names the file in which the
// mistake stands.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "framework/config/reader.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

struct Kind {
  virtual ~Kind() = default;
  virtual void fields(Fields& f) = 0;
};
struct Round final : Kind {
  double radius = 1;
  void fields(Fields& f) override { f("radius", radius, "of it", {.low = 0}); }
};
struct Square final : Kind {
  double side = 1;
  void fields(Fields& f) override { f("side", side, "of it", {.low = 0}); }
};
const bool shapes_known =
    Registry<Kind>::add<Round>("round", "no corners") && Registry<Kind>::add<Square>("square", "four");
struct Inner {
  int a = 0, b = 0;
  void fields(Fields& f) {
    f("a", a, "one", {.low = 0});
    f("b", b, "two", {.low = 0});
  }
};
struct Extended {
  Inner inner;
  Variant<Kind> kind;
  std::vector<int> list;
  std::string file;
  Extended() { kind.choose("round"); }
  void fields(Fields& f) {
    f.object("inner", inner, "an object");
    f.variant("kind", kind, "a variant");
    f("list", list, "of integers");
    f.path("file", file, "a file");
  }
};

struct ExtendsTest : ::testing::Test {
  void write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((folder / name).parent_path());
    std::ofstream(folder / name) << text;
  }
  Extended read(const std::string& name, const std::string& set = "") {
    JsonDocument document = JsonDocument::load(folder / name);
    if (!set.empty()) document.apply_override(set);
    Extended settings;
    read_config(document, settings);
    return settings;
  }
  const testing::TempFolder folder;
};

TEST_F(ExtendsTest, WhatAConfigDoesNotSayItsBaseSays) {
  write("base.json", R"({"inner": {"a": 1, "b": 2}, "kind": {"type": "square", "side": 3}, "list": [1, 2, 3]})");
  write("mine.json", R"({"extends": "base.json", "inner": {"b": 5}, "list": [9]})");
  const Extended mine = read("mine.json");
  EXPECT_EQ(mine.inner.a, 1);
  EXPECT_EQ(mine.inner.b, 5);
  EXPECT_EQ(mine.kind.type, "square");
  EXPECT_EQ(mine.list, std::vector<int>{9}) << "a list takes the place of a list";
}

TEST_F(ExtendsTest, AVariantOfAnotherTypeTakesTheBasesPlaceWhole) {
  write("base.json", R"({"kind": {"type": "square", "side": 3}})");
  write("other.json", R"({"extends": "base.json", "kind": {"type": "round", "radius": 2}})");
  EXPECT_EQ(read("other.json").kind.type, "round") << "\"side\" would be unknown there";
  write("name.json", R"({"extends": "base.json", "kind": "round"})");
  EXPECT_EQ(read("name.json").kind.type, "round");
  write("same.json", R"({"extends": "base.json", "kind": {"side": 4}})");
  EXPECT_EQ(dynamic_cast<Square&>(*read("same.json").kind.settings).side, 4);
}

TEST_F(ExtendsTest, BasesMayExtendOthersFromTheirOwnFolders) {
  write("deep/root.json", R"({"inner": {"a": 7}})");
  write("deep/base.json", R"({"extends": "root.json", "inner": {"b": 8}})");
  write("mine.json", R"({"extends": "deep/base.json"})");
  EXPECT_EQ(read("mine.json").inner.a, 7);
  EXPECT_EQ(read("mine.json").inner.b, 8);
}

TEST_F(ExtendsTest, AMessageNamesTheFileInWhichTheMistakeStands) {
  write("base.json", R"({"inner": {"a": -1}, "kind": {"type": "square", "sid": 3}})");
  write("mine.json", R"({"extends": "base.json", "inner": {"b": -2}})");
  testing::expect_error(ExitCode::config,
                        {"base.json: inner.a is -1", "mine.json: inner.b is -2", "base.json: kind has no setting \"sid\"",
                         "did you mean \"side\""},
                        [&] { (void)read("mine.json"); });
}

TEST_F(ExtendsTest, CirclesAndMissingBasesAreNamed) {
  write("a.json", R"({"extends": "b.json"})");
  write("b.json", R"({"extends": "a.json"})");
  testing::expect_error(ExitCode::config, {"b.json: extends \"a.json\"", "circle"}, [&] { (void)read("a.json"); });
  write("lost.json", R"({"extends": "nowhere.json"})");
  testing::expect_error(ExitCode::config, {"lost.json: extends \"nowhere.json\", and there is no"},
                        [&] { (void)read("lost.json"); });
  write("wrong.json", R"({"extends": 3})");
  testing::expect_error(ExitCode::config, {"wrong.json: extends is 3; it must be the path"},
                        [&] { (void)read("wrong.json"); });
}

TEST_F(ExtendsTest, APathIsLookedForBesideTheFileThatNamesIt) {
  write("deep/data.txt", "x");
  write("deep/base.json", R"({"file": "data.txt"})");
  write("mine.json", R"({"extends": "deep/base.json"})");
  EXPECT_EQ(read("mine.json").file, (folder / "deep" / "data.txt").string());
  write("deep/absent.json", R"({"file": "elsewhere.txt"})");
  EXPECT_EQ(read("deep/absent.json").file, "elsewhere.txt") << "else as it is: relative to the working folder";
  EXPECT_EQ(read("mine.json", "file=data.txt").file, "data.txt") << "the command line means its own folder";
}

}  // namespace
}  // namespace espalier
