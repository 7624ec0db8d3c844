// options.h: what the command line asks of a verb. main.cpp fills it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace espalier {

/// Options that several verbs share.
struct CommandOptions {
  std::string config;                  ///< path of the JSON config
  std::vector<std::string> overrides;  ///< --set json.path=value
  std::string output, checkpoint, map;
  int threads = 0;
  std::vector<std::uint64_t> seeds;  ///< train, prune: one run for each
  std::string log_format = "text";   ///< "json": lines of standard error are JSON
  bool resume = false, quiet = false, dry_run = false;
  bool overwrite = false;              ///< replace an earlier run in the folder
  bool other_instruction_set = false;  ///< resume what another kind of processor has begun
  bool replace_other = false;  ///< with `resume`: a run of another configuration is replaced, not refused
  bool no_report = false;      ///< train, prune, sweep, curvature: write no report.html
  bool summary = true;         ///< train, prune, sweep, curvature: show the result at the end, and report it
  std::string weight;          ///< explain: layer[o,i,h,w]
  bool json = false;           ///< explain, evaluate: for programs
  bool plan = false;           ///< evaluate: show what the sparse engine measures and chooses
  // reproduce
  std::string experiments, records;  ///< empty: the program's own (own_files.h)
  std::string data = "data", checkpoints, only;
  bool list = false, quick = false, record = false, recorded = false, markdown = false;
};

}  // namespace espalier
