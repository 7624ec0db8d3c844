// Lists of example numbers: every entry a whole number from 0, each once.
#include "framework/io/index_file.h"

#include <gtest/gtest.h>

#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

using espalier::testing::expect_error;
using espalier::testing::TempFolder;

TEST(IndexFile, ListsAndObjectsWithIndicesAreRead) {
  const TempFolder temp;
  const std::vector<Index> expected{3, 1, 0};
  EXPECT_EQ(read_index_file(temp.write_text("a.json", "[3, 1, 0]"), "prune.index_file"), expected);
  EXPECT_EQ(
      read_index_file(temp.write_text("b.json", R"({"indices": [3, 1, 0], "seed": 1})"), "prune.index_file"),
      expected);
}

TEST(IndexFile, WhatIsNoListOfNumbersIsNamed) {
  const TempFolder temp;
  const auto expect = [&](const std::string& text, std::initializer_list<std::string> parts) {
    const auto file = temp.write_text("i.json", text);
    expect_error(ExitCode::data, parts, [&] { read_index_file(file, "prune.index_file"); });
  };
  expect("{}", {"i.json", "prune.index_file", "indices"});
  expect("[]", {"i.json", "list"});
  expect("[1, 2.5]", {"i.json", "entry 1 is 2.5"});
  expect("[1, -1]", {"entry 1 is -1"});
  expect("[18446744073709551615]", {"entry 0"});
  expect("[1, 2", {"i.json", "line 1"});
  expect(std::string(200'000, '['), {"200 deep"});
  expect("[4, 7, 4, 9, 7, 4]", {"3 example(s)", "4 (entries 0 and 2)", "7 (entries 1 and 4)"});
}

}  // namespace
}  // namespace espalier
