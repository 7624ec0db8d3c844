#include "tools/run/earlier_run.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "framework/config/writer.h"
#include "framework/core/check.h"
#include "framework/core/parallel.h"
#include "framework/io/atomic_file.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;  // keys in order: what counts is what they say

/// A resolved config without what does not tell runs apart.
Json identity(Json config) {
  if (!config.is_object()) return config;
  config.erase("output");
  if (Json& made_by = config["provenance"]; made_by.is_object()) {
    made_by.erase("threads");
    if (made_by.value("verb", Json()) == "sweep") config.erase("sweep");
  }
  return config;
}

/// The first setting that differs: "prune.damp is 0.001 there and 0.01 here".
std::string difference(const Json& there, const Json& here) {
  const Json changes = Json::diff(there, here);
  if (changes.empty() || there.is_discarded()) return "its config.json is damaged";
  const Json::json_pointer at(changes[0]["path"].get<std::string>());
  std::string name = at.to_string().substr(1);
  std::replace(name.begin(), name.end(), '/', '.');
  const auto value = [&](const Json& of) {
    return of.contains(at) ? of.at(at).dump() : std::string("not set");
  };
  return fmt::format("{} is {} there and {} here", name, value(there), value(here));
}

}  // namespace

bool goes_on(const fs::path& folder, RunConfig& config, Earlier earlier) {
  std::error_code unknown;
  const fs::path recorded = folder / "config.json";
  if (earlier == Earlier::replace || !fs::exists(recorded, unknown)) return false;
  const Json there = identity(Json::parse(read_whole_file(recorded), nullptr, false)),
             here = identity(Json::parse(resolved_json(config)));
  if (there == here) return true;
  if (earlier == Earlier::resume_or_replace) return false;
  fail(
      ExitCode::config,
      "{}: the run there has another configuration, version, data or weights ({}); go on with the same, choose another "
      "--output, or begin anew (without --resume; for a sweep, remove the folder)",
      folder.string(), difference(there, here));
}

void record_config(const RunFolder& folder, RunConfig& config) {
  config.provenance.threads = threads();  // for the record only: results do not depend on it
  write_file_atomically(folder.config(), resolved_json(config) + "\n");
}

void begin_run(const RunFolder& folder, RunConfig& config, bool quiet) {
  std::error_code problem;
  if (!quiet && fs::exists(folder.config(), problem))
    fmt::print(stderr, "note: {} holds an earlier run, which is replaced\n", folder.path().string());
  if (!fs::remove(folder.state(), problem) && problem)
    fail(ExitCode::io, "{}: cannot be removed: {}; choose another --output", folder.state().string(),
         problem.message());
  fs::remove(folder.lesson_data(), problem);  // what becomes of a lesson is no reason for a run to fail
  record_config(folder, config);
}

}  // namespace espalier
