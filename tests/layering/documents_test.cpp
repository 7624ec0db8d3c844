// documents_test.cpp: what the documents say is there is there. Links between pages lead to files, and the
// tables of pruning/README.md name functions that their files have.
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "framework/io/atomic_file.h"

namespace espalier::test {
namespace {

namespace fs = std::filesystem;
const fs::path root = ESPALIER_SOURCE_DIR;

std::vector<fs::path> documents() {
  std::vector<fs::path> found;
  for (const char* top : {".", "framework", "pruning", "models", "datasets", "configs", "tests", "tools"})
    for (auto entry = fs::recursive_directory_iterator(root / top); entry != fs::end(entry); ++entry) {
      if (std::string(top) == ".") entry.disable_recursion_pending();
      if (entry->path().extension() == ".md") found.push_back(entry->path());
    }
  return found;
}

std::vector<std::string> matches(const std::string& text, const std::string& pattern) {
  const std::regex expression(pattern);
  std::vector<std::string> found;
  for (std::sregex_iterator m(text.begin(), text.end(), expression), end; m != end; ++m)
    found.push_back((*m)[1]);
  return found;
}

TEST(Documents, LinksLeadToFiles) {
  int links = 0;
  for (const fs::path& page : documents())
    for (const std::string& target : matches(read_whole_file(page), R"(\]\(([^)#\s]+)[^)]*\))")) {
      if (target.find("://") != std::string::npos) continue;
      EXPECT_TRUE(fs::exists(page.parent_path() / target)) << page << " links to " << target;
      ++links;
    }
  EXPECT_GT(links, 30) << "the documents were not found";
}

TEST(Documents, SourcesNamedInThemExist) {
  for (const fs::path& page : documents())
    for (const std::string& name : matches(read_whole_file(page), R"(`([\w/.]+\.(?:cpp|h))`)")) {
      EXPECT_TRUE(fs::exists(page.parent_path() / name) || fs::exists(root / name))
          << page << " names `" << name << "`, which is neither a path from there nor from the root";
    }
}

/// Cells of a row of a table, split at | but not at \|.
std::vector<std::string> cells(const std::string& row) {
  std::vector<std::string> found(1);
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (row[i] == '|' && (i == 0 || row[i - 1] != '\\'))
      found.emplace_back();
    else
      found.back() += row[i];
  }
  return found;
}

TEST(Documents, FilesOfAPruningStepHaveTheFunctionsNamed) {
  std::istringstream page(read_whole_file(root / "pruning/README.md"));
  int named = 0;
  for (std::string row; std::getline(page, row);) {
    const std::vector<std::string> cell = cells(row);  // "", step, formula, file, function, ...
    if (cell.size() < 6 || matches(cell[3], R"((\.cpp|\.h)`)").empty()) continue;
    std::string sources;
    for (const std::string& file : matches(cell[3], "`([^`]+)`")) {
      const fs::path path = fs::exists(root / "pruning" / file) ? root / "pruning" / file : root / file;
      for (const char* extension : {".h", ".cpp"})
        if (const fs::path source = fs::path(path).replace_extension(extension); fs::exists(source))
          sources += read_whole_file(source);
    }
    for (std::string function : matches(cell[4], "`([^`]+)`")) {
      function = function.substr(function.rfind(':') + 1);
      EXPECT_NE(sources.find(function), std::string::npos)
          << "step" << cell[1] << "names " << function << ", which is not in" << cell[3];
      ++named;
    }
  }
  EXPECT_GT(named, 40) << "the tables were not found";
}

}  // namespace
}  // namespace espalier::test
