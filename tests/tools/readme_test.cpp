// README.md against the program: every verb that it names is there, every verb of the program stands in it, and so do the
// options that its text names.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <regex>
#include <set>

#include "paths.h"

namespace espalier {
namespace {

std::string readme() {
  std::ifstream in(std::string(ESPALIER_SOURCE_DIR) + "/README.md");
  return {std::istreambuf_iterator<char>(in), {}};
}

/// What the program prints, both streams.
std::string said_by_espalier(const std::string& arguments) {
  FILE* const pipe = ::popen((std::string(ESPALIER_CLI) + " " + arguments + " 2>&1").c_str(), "r");
  std::string text;
  std::array<char, 4096> part{};
  while (const std::size_t n = std::fread(part.data(), 1, part.size(), pipe)) text.append(part.data(), n);
  ::pclose(pipe);
  return text;
}

std::set<std::string> matches(const std::string& text, const std::string& pattern) {
  std::set<std::string> found;
  const std::regex expression(pattern);
  for (std::sregex_iterator it(text.begin(), text.end(), expression), end; it != end; ++it) found.insert((*it)[1]);
  return found;
}

/// From "espalier has no verb "?" (it has train, prune, ...)".
std::set<std::string> verbs() {
  const std::string said = said_by_espalier("nosuchverb");
  return matches(said.substr(said.find("it has") + 6), "([a-z]+)");
}

TEST(Readme, NamesTheVerbsThatThereAre) {
  const std::set<std::string> known = verbs();
  ASSERT_GT(known.size(), 15U);
  std::set<std::string> named = matches(readme(), "build/release/espalier ([a-z]+)");
  for (const std::string& verb : named) EXPECT_TRUE(known.contains(verb)) << "README.md: espalier " << verb;
  for (const std::string& more : matches(readme(), "\\| ([a-z]+) ")) named.insert(more);  // "schema | settings"
  const std::set<std::string> elsewhere{"benchmark", "columns", "export"};  // tools/benchmark, tools/run and framework/interchange say
  for (const std::string& verb : known)
    EXPECT_TRUE(named.contains(verb) || elsewhere.contains(verb)) << "README.md does not name the verb " << verb;
}

TEST(Readme, NamesOptionsThatThereAre) {
  std::string help;
  for (const std::string& verb : verbs()) help += said_by_espalier(verb + " --help");
  for (const std::string& option : matches(readme(), "`(--[a-z-]+)"))
    EXPECT_TRUE(help.find(option) != std::string::npos || option == "--help" || option == "--version" || option == "--prefix")
        << "README.md names " << option << ", and no verb has it";
}

}  // namespace
}  // namespace espalier
