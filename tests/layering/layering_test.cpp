// layering_test.cpp: reads the #include lines of the sources and holds them against the table below, so that
// the direction of dependencies cannot rot:
//
//     core <- kernels <- autograd <- ops <- graph <- {nn, infer} <- train;  config, io beside;  framework knows
//     nothing above it
//     rows <- inverse <- criterion, update <- choice <- step <- explain;  curvature, schedule beside
//     run, report <- explain <- curvature;  experiments, benchmark beside;  the verbs (tools/espalier) on top
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "paths.h"

namespace espalier::test {
namespace {

namespace fs = std::filesystem;

struct Layer {
  std::string folder;
  std::vector<std::string> may_include;  ///< besides itself
};
const std::vector<Layer> table = {
    {"framework/core", {}},
    {"framework/io", {"framework/core"}},
    {"framework/config", {"framework/core", "framework/io"}},
    {"framework/kernels", {"framework/core"}},
    {"framework/autograd", {"framework/core", "framework/kernels"}},
    {"framework/ops", {"framework/core", "framework/kernels", "framework/autograd"}},
    {"framework/graph",
     {"framework/core", "framework/config", "framework/kernels", "framework/autograd", "framework/ops"}},
    {"framework/interchange", {"framework/core", "framework/io", "framework/config", "framework/graph"}},
    {"framework/nn",
     {"framework/core", "framework/config", "framework/autograd", "framework/ops", "framework/graph"}},
    {"framework/infer",
     {"framework/core", "framework/kernels", "framework/autograd", "framework/ops", "framework/graph"}},
    {"framework/data", {"framework/core", "framework/config", "framework/io"}},
    {"framework/deploy",
     {"framework/core", "framework/config", "framework/io", "framework/data", "framework/graph",
      "framework/infer"}},
    {"framework/train",
     {"framework/core", "framework/config", "framework/io", "framework/kernels", "framework/autograd",
      "framework/ops", "framework/graph", "framework/interchange", "framework/nn", "framework/infer",
      "framework/data"}},
    {"models",
     {"framework/core", "framework/config", "framework/graph", "framework/interchange", "framework/nn"}},
    {"datasets", {"framework/core", "framework/config", "framework/io", "framework/data"}},
    // rows of G -> their inverse -> what each weight's loss is -> how the others move -> which leave -> one step
    {"pruning/rows",
     {"framework/core", "framework/io", "framework/kernels", "framework/autograd", "framework/ops",
      "framework/graph", "framework/nn", "framework/infer", "framework/data"}},
    {"pruning/inverse", {"framework/core", "framework/config", "framework/kernels", "pruning/rows"}},
    {"pruning/criterion", {"framework/core", "pruning/inverse"}},
    {"pruning/update", {"pruning/rows", "pruning/inverse"}},
    {"pruning/choice",
     {"framework/core", "framework/config", "framework/kernels", "pruning/rows", "pruning/criterion",
      "pruning/update"}},
    {"pruning/schedule", {"framework/core", "framework/config"}},
    {"pruning/step",
     {"framework/core", "framework/data", "framework/io", "framework/nn", "framework/train", "pruning/rows",
      "pruning/criterion", "pruning/update", "pruning/choice", "pruning/schedule"}},
    {"pruning/curvature",
     {"framework/kernels", "framework/autograd", "framework/ops", "framework/data", "pruning/rows"}},
    {"pruning/explain", {"framework/core", "pruning/rows", "pruning/curvature", "pruning/step"}},
    // the program: what a run is, its page, its lesson, experiments made of runs, and the verbs on top
    {"tools/run",
     {"framework/core", "framework/config", "framework/io", "framework/graph", "framework/interchange",
      "framework/nn", "framework/infer", "framework/data", "framework/deploy", "framework/train",
      "pruning/rows", "pruning/step"}},
    {"tools/report", {"framework/core", "framework/data", "framework/io", "tools/run"}},
    {"tools/explain",
     {"framework/core", "framework/config", "framework/io", "framework/kernels", "framework/train",
      "pruning/rows", "pruning/inverse", "pruning/step", "pruning/curvature", "pruning/explain", "tools/run",
      "tools/report"}},
    {"tools/curvature",
     {"framework/core", "framework/config", "framework/data", "framework/io", "pruning/rows",
      "pruning/choice", "pruning/curvature", "tools/run", "tools/report", "tools/explain"}},
    {"tools/verbs",
     {"framework/core", "framework/config", "framework/io", "framework/graph", "framework/interchange",
      "framework/nn", "framework/infer", "framework/data", "framework/deploy", "framework/train",
      "pruning/step", "tools/run", "tools/report", "tools/explain"}},
    {"tools/experiments",
     {"framework/core", "framework/config", "framework/data", "framework/io", "framework/train",
      "pruning/step", "tools/run", "tools/report", "tools/curvature", "tools/verbs"}},
    {"tools/benchmark",
     {"framework/core", "framework/config", "framework/io", "framework/kernels", "framework/autograd",
      "framework/ops", "framework/graph", "framework/interchange", "framework/nn", "framework/infer", "framework/data",
      "framework/train", "pruning/rows", "pruning/step", "tools/run"}},
    {"tools/examples",  // programs of others: all of the engine and of pruning, no tools
     {"framework/core", "framework/autograd", "framework/ops", "framework/graph", "framework/data",
      "framework/deploy", "framework/train", "pruning/step"}},
    {"tools/espalier",
     {"framework/core", "framework/config", "framework/io", "framework/kernels", "framework/train", "tools/report",
      "tools/explain", "tools/curvature", "tools/verbs", "tools/experiments", "tools/benchmark"}},
};

/// "framework/core/tensor.h" -> "framework/core"; "pruning/inverse/block.cpp" -> "pruning/inverse".
std::string folder_of(const std::string& path) {
  const std::size_t first = path.find('/'), second = path.find('/', first + 1);
  const std::string top = path.substr(0, first);
  return top == "models" || top == "datasets" ? top : path.substr(0, second);
}

struct Include {
  std::string from, what;
  int line;
};

bool is_source(const fs::path& p) { return p.extension() == ".h" || p.extension() == ".cpp"; }

/// Every #include "..." below the folders of the sources.
std::vector<Include> includes() {
  const fs::path root = ESPALIER_SOURCE_DIR;
  std::vector<Include> found;
  for (const char* top : {"framework", "pruning", "models", "datasets", "tools"})
    for (const auto& entry : fs::recursive_directory_iterator(root / top)) {
      if (!entry.is_regular_file() || !is_source(entry.path())) continue;
      std::ifstream in(entry.path());
      int number = 0;
      for (std::string line; std::getline(in, line);) {
        ++number;
        const std::string start = "#include \"";
        if (line.starts_with(start))
          found.push_back({fs::relative(entry.path(), root).generic_string(),
                           line.substr(start.size(), line.find('"', start.size()) - start.size()), number});
      }
    }
  return found;
}

TEST(Layering, EveryIncludePointsDownwards) {
  std::map<std::string, std::set<std::string>> allowed;
  for (const Layer& l : table) {
    allowed[l.folder] = {l.may_include.begin(), l.may_include.end()};
    allowed[l.folder].insert(l.folder);
  }
  const auto all = includes();
  EXPECT_GT(all.size(), 100U) << "the sources were not found";
  for (const Include& i : all) {
    const std::string from = folder_of(i.from), to = folder_of(i.what);
    ASSERT_TRUE(allowed.contains(from))
        << i.from << ": the folder " << from << " is not in the table of this test";
    EXPECT_TRUE(allowed[from].contains(to)) << i.from << ":" << i.line << " includes \"" << i.what
                                            << "\", but " << from << " may not know " << to;
  }
}

TEST(Layering, IncludesAreWrittenFromTheRootAndExist) {
  const fs::path root = ESPALIER_SOURCE_DIR;
  for (const Include& i : includes())
    EXPECT_TRUE(fs::exists(root / i.what)) << i.from << ":" << i.line << " includes \"" << i.what
                                           << "\", which is no path from the root of the repository";
}

TEST(Layering, TheTableHasNoCycle) {
  // Every folder may only include folders of earlier lines.
  std::set<std::string> before;
  for (const Layer& l : table) {
    for (const std::string& to : l.may_include)
      EXPECT_TRUE(before.contains(to)) << l.folder << " before " << to;
    before.insert(l.folder);
  }
}

TEST(Layering, HeadersDoNotPullInTheJsonLibrary) {
  // It costs seconds of compile time per file; only .cpp files may include it.
  const fs::path root = ESPALIER_SOURCE_DIR;
  for (const char* top : {"framework", "pruning", "models", "datasets"})
    for (const auto& entry : fs::recursive_directory_iterator(root / top)) {
      if (entry.path().extension() != ".h") continue;
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);)
        EXPECT_FALSE(line.starts_with("#include <nlohmann/json.hpp>")) << entry.path();
    }
}

}  // namespace
}  // namespace espalier::test
