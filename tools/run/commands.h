// commands.h: what the program can do; each verb is one function. main.cpp parses the command line.
#pragma once

#include <string>
#include <vector>

namespace espalier {

/// Options that several verbs share.
struct CommandOptions {
  std::string config;                  ///< path of the JSON config
  std::vector<std::string> overrides;  ///< --set json.path=value
  std::string output, checkpoint;
  int threads = 0;
  bool resume = false, quiet = false, dry_run = false;
  bool overwrite = false;              ///< replace an earlier run in the folder
  bool other_instruction_set = false;  ///< resume what another kind of processor has begun
  bool no_report = false;              ///< train, prune, sweep, curvature: write no report.html
  std::string weight;                  ///< explain: layer[o,i,h,w]
  bool json = false;                   ///< explain: for programs
  bool plan = false;                   ///< evaluate: show what the sparse engine measures and chooses
  bool summary = true;  ///< train, prune, sweep, curvature: show the result at the end, and report it
  // reproduce
  std::string experiments = "configs/reproduce", data = "data", checkpoints, only;
  bool list = false, quick = false, record = false, recorded = false, markdown = false;
};

void train_command(const CommandOptions& options);
void prune_command(const CommandOptions& options);
void evaluate_command(const CommandOptions& options);
void info_command(const CommandOptions& options);
void curvature_command(const CommandOptions& options);
void explain_command(const CommandOptions& options);
void sweep_command(const CommandOptions& options);
void reproduce_command(const CommandOptions& options);
/// JSON Schema of the config format, and the same as a Markdown table.
void schema_command();
void settings_command();

}  // namespace espalier
