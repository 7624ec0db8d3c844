// JSON from anywhere: what is refused before anything is built from it, and that the message says where and
// why in words of our own.
#include "framework/io/json_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "framework/io/file_kind.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace espalier {
namespace {

using espalier::testing::expect_error;
using espalier::testing::TempFolder;
using namespace std::string_literals;

std::string problem(const std::string& text, const JsonLimits& limits = {}) {
  const auto found = json_problem(text, limits);
  return found ? found->text : "";
}
void expect_problem(const std::string& text, std::initializer_list<const char*> parts) {
  const std::string found = problem(text);
  for (const char* part : parts)
    EXPECT_NE(found.find(part), std::string::npos) << "no '" << part << "' in '" << found << "'";
  EXPECT_EQ(found.find("json.exception"), std::string::npos) << found;
}

TEST(JsonText, ReadsWhatIsWellFormed) {
  EXPECT_EQ(problem(R"({"a": [1, -2.5e3, "x", true, null], "b": {"a": 1}})"), "");
  EXPECT_EQ(problem("// why\n{\"a\": 1 /* here */}\n"), "") << "comments";
  EXPECT_EQ(problem("\xef\xbb\xbf{}"), "") << "a byte order mark of UTF-8";
  EXPECT_EQ(problem("3"), "");
  EXPECT_EQ(parse_json(R"({"z": 1, "a": 2})", "x", ExitCode::config).begin().key(), "z") << "order is kept";
}

TEST(JsonText, SyntaxErrorsHaveAPlaceAndALikelyCause) {
  expect_problem("{\n  \"count\": 1,\n  \"flag\" true\n}",
                 {"line 3", "\"flag\" true", "comma or colon is missing"});
  expect_problem("{\"a\": 1,}", {"line 1, column 9", "comma before a closing bracket"});
  expect_problem("{\"a\": 1 \"b\": 2}", {"comma or colon is missing"});
  expect_problem("{'a': 1}", {"double quotes"});
  expect_problem("{\"a\": NaN}", {"NaN and Infinity"});
  expect_problem("{\"a\": yes}", {"none of true, false and null"});
  expect_problem("{\"a\": [1, 2", {"not closed"});
  expect_problem("{\"a\": \"x", {"not closed"});
  expect_problem("", {"empty file"});
  expect_problem("   ", {"not valid JSON"});
  expect_problem("{\"a\": \"\xff\"}", {"not valid JSON", "\\xff"});
  expect_problem("{\"a\": \"\x01\"}", {"not valid JSON", "\\x01"});
}

TEST(JsonText, WhatIsJsonButHarmfulIsRefused) {
  const auto deep = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  EXPECT_EQ(problem(deep(200)), "");
  expect_problem(deep(201), {"more than 200 deep"});
  expect_problem(deep(300'000), {"more than 200 deep"});
  expect_problem("{\n\"a\": 1,\n\"a\": 2}", {"line 3", "\"a\" is given twice"});
  EXPECT_EQ(problem(R"([{"a": 1}, {"a": 2}])"), "") << "the same key in two objects is fine";
  expect_problem("{\"a\": 1e400}", {"1e400", "1.8e308"});
  std::string many = "{";
  for (int i = 0; i < 101; ++i) many += (i ? ",\"" : "\"") + std::to_string(i) + "\":0";
  EXPECT_NE(problem(many + "}", {.members = 100}).find("more than 100 members"), std::string::npos);
  EXPECT_NE(problem("[1, 2, 3]", {.largest = 4}).find("9 bytes; at most 4"), std::string::npos);
}

TEST(JsonText, FilesOfAnotherKindAreNamed) {
  expect_problem("\xff\xfe{\0}\0"s, {"UTF-16", "UTF-8"});
  expect_problem("version https://git-lfs.github.com/spec/v1\noid", {"Git LFS", "git lfs pull"});
  expect_problem("<!DOCTYPE html><html>", {"HTML"});
  expect_problem("\x1f\x8b\x08\0\0\0"s, {"gzip"});
}

TEST(FileKind, ASafetensorsFileWhoseLengthLooksLikeGzipIsOne) {
  EXPECT_EQ(kind_of_bytes("\x1f\x8b\0\0\0\0\0\0{\"a\""s), FileKind::safetensors);
  EXPECT_EQ(kind_of_bytes("\x1f\x8b\x08\0\0\0\0\0\0\3abc"s), FileKind::gzip);
}

TEST(JsonText, TheFileIsNamedAndTheCodeIsTheCallers) {
  const TempFolder temp;
  const auto file = temp.write_text("a.json", "{\"a\" 1}");
  expect_error(ExitCode::data, {file.string(), "line 1"}, [&] { read_json(file, ExitCode::data); });
  expect_error(ExitCode::config, {"none.json", "no such file"},
               [&] { read_json(temp / "none.json", ExitCode::config); });
  expect_error(ExitCode::config, {temp.str(), "folder"}, [&] { read_json(temp.path(), ExitCode::config); });
}

TEST(JsonText, NothingUnprintableReachesATerminal) {
  EXPECT_EQ(printable("plain \xc3\xa9"), "plain \xc3\xa9");
  EXPECT_EQ(printable("\x1b[2J"), "\\x1b[2J");
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b") << "a control of the second kind";
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "half a surrogate pair";
  EXPECT_EQ(printable(std::string(100, 'x'), 5), "xxxxx...");
}

}  // namespace
}  // namespace espalier
