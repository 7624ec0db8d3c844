#include "tools/run/earlier_run.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "framework/config/writer.h"
#include "framework/core/check.h"
#include "framework/core/parallel.h"
#include "framework/io/atomic_file.h"
#include "framework/io/json_text.h"
#include "framework/train/trainer.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;
using Sorted = nlohmann::json;  // whatever the order of keys

/// A resolved config without what does not tell runs apart.
Sorted identity(Sorted config) {
  if (!config.is_object()) return config;
  config.erase("output");
  if (Sorted& made_by = config["provenance"]; made_by.is_object()) {
    made_by.erase("threads");
    made_by.erase("instruction_set");
    if (made_by.value("verb", Sorted()) == "sweep") config.erase("sweep");
  }
  return config;
}

/// The first setting that differs: "prune.damp is 0.001 there and 0.01 here".
std::string difference(const Sorted& there, const Sorted& here) {
  const Sorted changes = Sorted::diff(there, here);
  if (changes.empty() || !there.is_object()) return "its config.json is damaged";
  const Sorted::json_pointer at(changes[0]["path"].get<std::string>());
  std::string name = at.to_string().substr(1);
  std::replace(name.begin(), name.end(), '/', '.');
  const auto value = [&](const Sorted& of) {
    return of.contains(at) ? of.at(at).dump() : std::string("not set");
  };
  return fmt::format("{} is {} there and {} here", name, value(there), value(here));
}

}  // namespace

bool goes_on(const fs::path& folder, RunConfig& config, Earlier earlier) {
  std::error_code unknown;
  const fs::path recorded = folder / "config.json";
  if (earlier == Earlier::replace || !fs::exists(recorded, unknown)) return false;
  if (earlier == Earlier::refuse)
    fail(
        ExitCode::usage,
        "{}: holds an earlier run; --resume goes on with it, --overwrite replaces it, --output puts this one "
        "elsewhere",
        folder.string());
  const std::string text = read_whole_file(recorded);
  const Sorted there = identity(json_problem(text) ? Sorted() : Sorted::parse(text)),
               here = identity(Sorted::parse(resolved_json(config)));
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
  config.provenance.instruction_set = Trainer::instruction_set();
  write_file_atomically(folder.config(), resolved_json(config) + "\n");
}

void begin_run(const RunFolder& folder, RunConfig& config, bool quiet) {
  std::error_code problem;
  if (!quiet && fs::exists(folder.config(), problem))
    fmt::print(stderr, "note: {} holds an earlier run, which is replaced\n", folder.path().string());
  folder.clear();
  record_config(folder, config);
}

}  // namespace espalier
