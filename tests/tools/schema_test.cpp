// The JSON Schema in configs/ is the program's own, accepts what the program accepts and refuses what it
// refuses, as far as a schema can express it.
// Judged by Python's jsonschema, which knows nothing of this program.
#include "framework/config/schema.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "framework/config/reader.h"
#include "paths.h"
#include "tools/run/run_config.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

bool accepted(const json& document) {
  try {
    RunConfig config;
    read_config(JsonDocument::parse(document.dump(), "test"), config);
    return true;
  } catch (const Error&) {
    return false;
  }
}

std::vector<fs::path> config_files() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(ESPALIER_SOURCE_DIR) / "configs"))
    if (entry.path().extension() == ".json" &&
        slurp(entry.path()).find("\"$schema\": \"schema.json\"") != std::string::npos)
      files.push_back(entry.path());
  return files;
}

TEST(Schema, CommittedSchemaIsWhatTheProgramPrints) {
  RunConfig config;
  EXPECT_TRUE(slurp(fs::path(ESPALIER_SOURCE_DIR) / "configs/schema.json") ==
              json_schema(config, "Espalier run") + "\n")
      << "run: build/release/espalier schema > configs/schema.json";
}

TEST(Schema, CommittedTableOfSettingsIsWhatTheProgramPrints) {
  RunConfig config;
  EXPECT_TRUE(
      slurp(fs::path(ESPALIER_SOURCE_DIR) / "configs/README.md").ends_with("\n\n" + fields_markdown(config)))
      << "put the output of build/release/espalier settings below the head of configs/README.md";
}

TEST(Schema, EveryConfigInTheRepositoryIsAccepted) {
  ASSERT_FALSE(config_files().empty());
  for (const fs::path& file : config_files()) {
    RunConfig config;
    EXPECT_NO_THROW(read_config(JsonDocument::load(file), config)) << file;
  }
}

TEST(Schema, AgreesWithTheReaderOnGoodAndBadDocuments) {
  if (std::system("/usr/bin/python3 -c 'import jsonschema' 2> /dev/null") != 0)
    GTEST_SKIP() << "Debian package python3-jsonschema is not installed";
  json documents = json::array(), verdicts = json::array();
  const auto add = [&](const json& d) {
    documents.push_back(d);
    verdicts.push_back(accepted(d));
  };
  for (const fs::path& file : config_files()) add(json::parse(slurp(file), nullptr, true, true));
  const json base =
      json::parse(slurp(fs::path(ESPALIER_SOURCE_DIR) / "configs/quickstart.json"), nullptr, true, true);
  const std::vector<std::pair<const char*, json>> changes{
      {"/train/epochs", 0},
      {"/train/epochs", -1},
      {"/train/epochs", 1.5},
      {"/train/epochs", "3"},
      {"/train/epoch", 3},
      {"/seed", -1},
      {"/model", "resnet20"},
      {"/model", "resnet21"},
      {"/model", {{"type", "mlpnet"}, {"widths", {1, 2}}}},
      {"/model", {{"type", "mlpnet"}, {"widths", {0}}}},
      {"/model", {{"widths", {1}}}},
      {"/model", "sequential"},
      {"/model", {{"type", "sequential"}, {"layers", {"relu", {{"type", "conv"}, {"out", 3}}}}}},
      {"/model", {{"type", "sequential"}, {"layers", {"conv"}}}},
      {"/model",
       {{"type", "sequential"},
        {"layers", {{{"type", "residual"}, {"body", {"relu", {{"type", "dropout"}, {"rate", 1}}}}}}}}},
      {"/model", {{"type", "graph"}, {"steps", {"relu", {{"op", "add"}, {"in", {"0", "input"}}}}}}},
      {"/model", {{"type", "graph"}, {"steps", {{{"op", "conv"}, {"out", 3}, {"kernel", {1, 3}}}}}}},
      {"/model", {{"type", "graph"}, {"steps", {{{"op", "conv"}, {"out", 3}, {"kernel", {1, 3, 3}}}}}}},
      {"/model", {{"type", "graph"}, {"steps", {{{"type", "relu"}}}}}},
      {"/prune", nullptr},
      {"/prune/damp", 0},
      {"/prune/damp", 1e-8},
      {"/prune/scope", "layerwise"},
      {"/prune/scope", "layer"},
      {"/prune/include", {"conv*"}},
      {"/prune/include", "conv*"},
      {"/prune/schedule", "one_shot"},
      {"/prune/schedule", "cubic"},
      {"/prune/schedule", {{"type", "steps"}, {"epochs", {1}}, {"sparsities", {0.5}}}},
      {"/prune/comment", "why"},
      {"/prune/comment", 3},
      {"/train/optimizer", "adam"},
      {"/train/optimizer/nesterov", true},
      {"/train/optimizer/momentum", 1},
      {"/data/source/path", "x"},
      {"/data/normalize", {{"mean", {0.5}}, {"std", {0.5}}}},
      {"/data/normalize", {{"mean", {0.5}}}},
      {"/unknown", 1}};
  for (const auto& [path, value] : changes) {
    json d = base;
    d[json::json_pointer(path)] = value;
    add(d);
  }
  const fs::path folder = fs::temp_directory_path() / ("espalier_schema_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  std::ofstream(folder / "documents.json") << documents;
  std::ofstream(folder / "judge.py")
      << "import json, sys, warnings\nwarnings.simplefilter('ignore')\nimport jsonschema\n"
         "v = jsonschema.Draft7Validator(json.load(open(sys.argv[1])))\n"
         "json.dump([v.is_valid(d) for d in json.load(open(sys.argv[2]))], open(sys.argv[3], 'w'))\n";
  const std::string command = "/usr/bin/python3 " + (folder / "judge.py").string() + " " +
                              ESPALIER_SOURCE_DIR + "/configs/schema.json " +
                              (folder / "documents.json").string() + " " +
                              (folder / "verdicts.json").string();
  ASSERT_EQ(std::system(command.c_str()), 0);
  const json judged = json::parse(slurp(folder / "verdicts.json"));
  for (std::size_t i = 0; i < documents.size(); ++i)
    EXPECT_EQ(judged[i], verdicts[i])
        << (verdicts[i].get<bool>() ? "the program accepts: " : "the program refuses: ")
        << documents[i].dump(1);
  EXPECT_GT(std::count(verdicts.begin(), verdicts.end(), json(false)), 10);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace espalier
