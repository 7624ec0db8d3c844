// commands.h: the verbs that make, judge and describe a run; each is one function. The others are declared where
// they are at home: curvature/, explain/, experiments/, report/, benchmark/.
#pragma once

#include <string>

#include "tools/run/options.h"

namespace espalier {

void train_command(const CommandOptions& options);
void prune_command(const CommandOptions& options);
void evaluate_command(const CommandOptions& options);
void info_command(const CommandOptions& options);
/// JSON Schema of configs ("config"), of lines of metrics.jsonl ("metrics") or of `explain --json` ("explain").
void schema_command(const std::string& of);
/// All settings of configs, and all columns of metrics, as Markdown tables.
void settings_command();
void columns_command();

}  // namespace espalier
